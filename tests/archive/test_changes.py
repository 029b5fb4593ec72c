"""What changed: each kind by itself, the sample's story exactly, files and dates on the command line."""

import csv
import itertools
import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from commands import said
from conftest import CATALOGUE, toml
from made_lists import DN, row, xml
from made_lists import START as AT

from mssante_audit.archive.changes import KINDS, Side
from mssante_audit.archive.events import EVENTS, Span, between, span
from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit
from mssante_audit.base.errors import WhiteListError
from mssante_audit.base.export import csv_text
from mssante_audit.findings.frame import concat
from mssante_audit.findings.places import row_ranges
from mssante_audit.space.story import worded_changes, worded_events
from mssante_audit.space.trust import Thresholds, load_space
from mssante_audit.values.person import Person
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.archive import EVENT_COLUMNS, TIMES, UNCHANGED_DAYS, tell_story
from tools.sample.make import SAMPLE_AS_OF
from tools.sample.space import Row

CASES = toml("archive/changes")
OTHER = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"


def side(rows: list[Row], **more: object) -> Side:
    return Side(load_whitelist(xml(rows)).entries, **more)  # type: ignore[arg-type]


def changed(before: list[Row], after: list[Row]) -> Span:
    return between(side(before), side(after))


def kinds_of(before: list[Row], after: list[Row]) -> list[tuple[str, str]]:
    changes = changed(before, after).changes
    return list(zip(changes["kind"], changes["domain"].str.removesuffix(".mssante.fr"), strict=True))


BASE = [row(f"ch-{name}") for name in ("fable", "songe", "mirage", "leurre", "mythe", "conte")]


def of_two(**changes: str) -> list[Row]:
    """Return two rows of one domain, with two certificates."""
    return [row("ch-a", dn=dn, **changes) for dn in (DN, DN.replace("mss.", "mx."))]


def of_structure(identifier: str) -> list[Row]:
    return [row("ch-a", dn=DN.replace("OU=1759900001", f"OU={identifier}"))]


TWICE = [*BASE, row("ch-a"), row("ch-a")]


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (BASE, TWICE, [("added", "ch-a"), ("duplicated", "ch-a")]),
        (TWICE, BASE, [("removed", "ch-a")]),
        ([row("ch-a")], [row("ch-a", stamp="x")] * 2, [("restamped", "ch-a"), ("duplicated", "ch-a")]),
        # Dates are counted by row, and contacts by domain.
        (of_two(), of_two(stamp="x"), [("restamped", "ch-a")] * 2),
        (of_two(), of_two(project="p"), [("contact_changed", "ch-a")]),
        # Two identifiers of one structure are no move.
        (of_structure("2999000012"), of_structure("399900001200014"), [("dn_replaced", "ch-a")]),
        # Who moves with the contacts of one of its rows has not changed them.
        ([row("ch-a", project="p"), *of_two()], [row("ch-a", dn=OTHER)], [("moved", "ch-a")]),
        # A renamed domain counts neither as added nor as removed, and its other changes are told.
        ([*BASE, row("ch-alfa")], [*BASE, row("ch-alpha", description="Messagerie de ch-alfa", stamp="x")],
         [("renamed", "ch-alpha"), ("restamped", "ch-alpha")]),
    ],
)  # fmt: skip
def test_kinds_of_changes(before, after, kinds) -> None:
    assert kinds_of(before, after) == kinds
    assert changed(before, after).changes.equals(changed(before[::-1], after[::-1]).changes)


MINE = row("ch-reste", dn=OTHER)
NOBODY = DN.replace("OU=1759900001,O=CH ALPHA,", "")


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ([*BASE, MINE], [MINE, *(row(r[0].partition(".")[0], dn=OTHER) for r in BASE[:4]), *BASE[4:]],
         "CH BETA (1679900001) a repris 4 domaines de CH ALPHA (1759900001)"),
        ([row("ch-a", dn=NOBODY)], [row("ch-a", dn=NOBODY), row("ch-b", dn=NOBODY)],
         "Un opérateur sans identifiant a ajouté 1 domaine"),
        (of_two(), of_two(stamp="x"), "2 lignes (1 domaine) : seule la date a changé"),
    ],
)  # fmt: skip
def test_an_event_is_told_as_an_analyst_would(before, after, sentence) -> None:
    sentences = worded_events(changed(before, after).events)["sentence"]
    assert [text.replace("\xa0", " ") for text in sentences] == [sentence]


def test_before_and_after_say_what_was_and_what_is() -> None:
    after = [*BASE[1:], row("ch-fable", dn=OTHER, project="01 99 00 00 07, p@beta.example")]
    frame = changed(BASE, after).changes
    changes = worded_changes(frame, contacts="all").set_index("kind")
    assert changes.loc["moved", "before"] == "CH ALPHA (1759900001)"
    assert changes.loc["moved", "after"] == "CH BETA (1679900001)"
    assert changes.loc["contact_changed", "after"] == "contact projet : 01 99 00 00 07, p@beta.example"
    assert changes["event"].tolist() == ["migration-1"] * 2
    assert frame["facts"].tolist() == [
        {"before": [{"operator": "1759900001", "name": "CH ALPHA"}],
         "after": [{"operator": "1679900001", "name": "CH BETA"}]},
        {"contact": "project", "before": Person("01 99 00 00 01, projet@alpha.example"),
         "after": Person("01 99 00 00 07, p@beta.example")},
    ]  # fmt: skip


def rows_of(case: list[dict[str, str]]) -> list[Row]:
    return [row(**{name: text.replace("OTHER", OTHER) for name, text in changes.items()}) for changes in case]


@pytest.mark.parametrize("case", CASES["renamed"])
def test_renames(case) -> None:
    before, after = rows_of(case)
    changes = worded_changes(changed([*BASE, before], [*BASE, after]).changes)
    assert changes["kind"].tolist()[0] == "renamed"
    assert set(changes["kind"]) <= {"renamed", "description_changed", "moved", "contact_changed"}
    assert (changes["before"].iloc[0], changes["after"].iloc[0]) == (before[0], after[0])


@pytest.mark.parametrize("case", CASES["others"])
def test_no_renames(case) -> None:
    others, (before, *after) = [*BASE, row("ch-autre", description="X")], rows_of(case)
    kinds = Counter(kind for kind, _ in kinds_of([*others, before], [*others, *after]))
    assert kinds == {"added": len(after), "removed": 1}


def test_a_rename_that_only_the_lists_in_between_show(tmp_path) -> None:
    """Renamed first, then moved and described anew: the first and the last list have nothing in common."""
    last = row("messagerie", description="Autre", dn=OTHER, project="p", support="s")
    lists = [[row("ch-vieux-nom")], [row("messagerie", description="Messagerie de ch-vieux-nom")], [last]]
    for day, rows in enumerate(lists):
        content = xml([*BASE, *rows], AT + timedelta(days=day))
        sha = load_whitelist(content).sha256
        (tmp_path / f"{AT + timedelta(days=day):%Y-%m-%dT%H%M%SZ}-{sha[:8]}.xml.gz").write_bytes(content)
    changes = span(open_archive(tmp_path), "2026-01-01", "2026-01-03").changes
    assert changes["kind"].tolist()[0] == "renamed"
    assert {"added", "removed"}.isdisjoint(changes["kind"])
    direct = between(*(side([*BASE, *rows]) for rows in (lists[0], lists[2]))).changes
    assert set(direct["kind"]) == {"added", "removed"}


def test_nothing_changed_gives_typed_empty_frames() -> None:
    span_ = changed(BASE, BASE[::-1])  # nor is another order a change
    assert (span_.changes.empty, span_.events.empty) == (True, True)
    assert span_.events.dtypes["size"] == "int64"
    assert (span_.changes.drop(columns="facts").dtypes == "str").all()
    columns = ["event", "kind", "sentence", "size", "domains", "confidence", "facts"]
    assert worded_events(span_.events).columns.tolist() == columns
    assert worded_changes(span_.changes).empty


def lines(spans: list[Span]) -> Counter[tuple[str, ...]]:
    counted: Counter[tuple[str, ...]] = Counter()
    for span_ in spans:
        days = (f"{span_.start:%Y-%m-%d}", f"{span_.end:%Y-%m-%d}")
        for event in span_.events.itertuples():
            kinds = span_.changes.loc[span_.changes["event"] == event.event, "kind"].value_counts()
            counts = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
            counted[(*days, event.kind, str(event.size), " ".join(event.domains), counts)] += 1
    return counted


@pytest.fixture(scope="module")
def spans() -> list[Span]:
    archive = open_archive(CATALOGUE / "archive", [CATALOGUE / "anchors"])
    days = [f"{time:%Y-%m-%d}" for time in TIMES]
    return [span(archive, a, b) for a, b in itertools.pairwise(days)]


def test_the_story_of_the_sample_is_found_exactly(spans) -> None:
    with (CATALOGUE / "events.csv").open(encoding="utf-8", newline="") as file:
        header, *truth = csv.reader(file)
    assert tuple(header) == EVENT_COLUMNS
    assert lines(spans) == Counter(map(tuple, truth))
    assert {line[2] for line in truth} == {*EVENTS} - {"signer", "shrunken"}, "every other kind is in it"
    assert {kind for between_two in spans for kind in between_two.changes["kind"]} == set(KINDS)


@pytest.mark.parametrize("seed", range(1, 3))
def test_other_stories(seed: int) -> None:
    story = tell_story(seed)
    dated = zip(story.lists, TIMES, strict=True)
    lists = [Side(load_whitelist(content).entries, time) for content, time in dated]
    assert lines([between(a, b) for a, b in itertools.pairwise(lists)]) == Counter(story.events)


def test_the_archive_shows_stale_contacts_exactly() -> None:
    limits, anchors = Thresholds(stale_after_days=UNCHANGED_DAYS), [CATALOGUE / "anchors"]
    space = load_space(CATALOGUE / "archive", as_of=SAMPLE_AS_OF, anchors=anchors, thresholds=limits)
    assert space.whitelist.signature.status == "valid"
    contacts = {f"CONTACT_{suffix}" for suffix in ("UNCHANGED", "PARTLY_CHANGED", "FORMER_OPERATOR")}
    by_history = {*contacts, "RECO_CONTACT_OLD"}
    fired = concat([audit("stale_contacts", space), audit("reconciliation", space)])
    fired = fired[fired["rule"].isin(by_history)]
    with (CATALOGUE / "defects.csv").open(encoding="utf-8", newline="") as file:
        truth = [tuple(line[1:]) for line in csv.reader(file) if line[0] == "archive"]
    findings = ((f.rule, f.domain, f.operator_id, row_ranges(f.rows)) for f in fired.itertuples())
    assert Counter(findings) == Counter(truth)
    assert {line[0] for line in truth} == by_history
    space = load_space(CATALOGUE, as_of=SAMPLE_AS_OF, thresholds=limits)
    assert space.archive is not None, "of a list that is not in the archive it says nothing"
    assert not audit("stale_contacts", space)["rule"].isin({"CONTACT_UNCHANGED"}).any()


SIGNED = ("--archive", str(CATALOGUE / "archive"), "--anchors", str(CATALOGUE / "anchors"))


def run(*arguments: str, status: int = 0) -> list[dict[str, str]]:
    return json.loads(said("changes", *arguments, "--format", "json", status=status))


def test_dates_of_an_archive() -> None:
    records = run("2025-09-01", "2025-11-03", *SIGNED)
    assert Counter(r["kind"] for r in records) == {"moved": 4, "contact_changed": 6, "added": 2}
    assert {"kind", "domain", "before", "after", "event"} <= records[0].keys()
    masked = run("2025-09-01", "2025-11-03", *SIGNED, "--contacts", "none")
    assert all("•" in r["before"] for r in masked if r["kind"] == "contact_changed")
    clear = run("2025-09-01", "2025-11-03", *SIGNED, "--contacts", "all")
    assert all("•" not in r["before"] for r in clear)
    events = run("2025-09-01", "2025-11-03", *SIGNED, "--events")
    assert [e["kind"] for e in events] == ["migration", "added"]


def test_every_kind_of_event_has_a_sentence_in_each_language(spans) -> None:
    signers = between(side(BASE, signer="un.example"), side(BASE, signer="deux.example")).events
    many = [row(f"ch-{number}") for number in range(20)]
    shrunken = between(side(many), side(many[:2])).events
    assert shrunken["kind"].iloc[0] == "shrunken", "said before who left"
    assert not set(between(side(many), side(many[:12])).events["kind"]) & {"shrunken"}
    events = pd.concat([*(each.events for each in spans), signers, shrunken[:1]])
    assert set(events["kind"]) == set(EVENTS)
    french, english = (worded_events(events, language=code)["sentence"].tolist() for code in ("fr", "en"))
    assert all(french)
    assert not set(french) & set(english)
    assert not [text for text in english if re.search("[’éèêà]| a | de ", text)]


def test_a_new_row_that_is_a_copy_is_named_with_whose() -> None:
    original = row("ssiad-songe", description="SSIAD du Songe")
    for name, copied in (("clinique-mirage", True), ("clinique-songe", False)):
        span_ = changed([original, *BASE], [original, *BASE, row(name, description="SSIAD du Songe")])
        (text,) = worded_changes(span_.changes, language="fr")["after"]
        assert ("ligne copiée de ssiad-songe.mssante.fr ?" in text.replace("\xa0", " ")) == copied


def test_two_persons_masked_are_still_two() -> None:
    before = [*BASE, row("ch-a", project="zoe@alpha.example"), row("ch-b", project="zac@alpha.example")]
    after = [*BASE, row("ch-a", project="zac@alpha.example"), row("ch-b", project="zoe@alpha.example")]
    changes = worded_changes(changed(before, after).changes)
    zoe, zac = "contact projet : z•••@alpha.example (1)", "contact projet : z•••@alpha.example (2)"
    assert changes[["before", "after"]].values.tolist() == [[zoe, zac], [zac, zoe]]
    assert changes["facts"].tolist()[0]["after"] == "z•••@alpha.example (2)"


def test_hostile_texts_of_a_change_are_no_formula_and_no_control_character() -> None:
    hostile = row("ch-a", description="=1+1", dn="CN=\u202ex,OU=1759900001,O=\u202eCH")
    events = changed(BASE, [*BASE, hostile]).events
    assert "\u202e" not in "".join(worded_events(events)["sentence"])
    described = changed([*BASE, row("ch-a")], [*BASE, row("ch-a", description="=1+1")])
    assert ",'=1+1," in csv_text(worded_changes(described.changes))


def test_files(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("one.xml", "two.xml")]
    Path(files[0]).write_bytes(xml(BASE))
    Path(files[1]).write_bytes(xml([*BASE, row("ch-neuf")])[:-30])
    with pytest.raises(WhiteListError, match="rows are readable"):  # exit status 2
        said("changes", *files)
    records = run(*files, "--recover", status=4)
    assert [(r["kind"], r["domain"]) for r in records] == [("added", "ch-neuf.mssante.fr")]
    text = said("changes", *files, "--recover", status=4)
    assert text.startswith("kind,domain,before,after,event")
    out = tmp_path / "out.csv"
    said("changes", *files, "--recover", "--out", out, status=4)
    assert out.read_text(encoding="utf-8-sig") == text
