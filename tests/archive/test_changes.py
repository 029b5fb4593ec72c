"""What changed: each kind by itself, the sample's story exactly, files and dates on the command line."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from conftest import CATALOGUE
from made_lists import DN, row, xml
from made_lists import START as AT
from typer.testing import CliRunner

from mssante_audit.archive.changes import KINDS, Side
from mssante_audit.archive.events import EVENTS, Span, between, span
from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit
from mssante_audit.base.errors import WhiteListError
from mssante_audit.base.export import csv_text
from mssante_audit.cli.main import app
from mssante_audit.findings.frame import concat
from mssante_audit.findings.places import row_ranges
from mssante_audit.space.story import worded_changes, worded_events
from mssante_audit.space.trust import Thresholds, load_space
from mssante_audit.values.person import Person
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.archive import EVENT_COLUMNS, TIMES, UNCHANGED_DAYS, tell_story
from tools.sample.make import SAMPLE_AS_OF
from tools.sample.space import Row

OTHER = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"


def side(rows: list[Row], **more: object) -> Side:
    return Side(load_whitelist(xml(rows)).entries, **more)  # type: ignore[arg-type]


def changed(before: list[Row], after: list[Row]) -> Span:
    return between(side(before), side(after))


def kinds_of(before: list[Row], after: list[Row]) -> list[tuple[str, str]]:
    changes = changed(before, after).changes
    return list(zip(changes["kind"], changes["domain"].str.removesuffix(".mssante.fr"), strict=True))


BASE = [row(f"ch-{name}") for name in ("fable", "songe", "mirage", "leurre", "mythe", "conte")]


def test_copies() -> None:
    twice = [*BASE, row("ch-a"), row("ch-a")]
    assert kinds_of(BASE, twice) == [("added", "ch-a"), ("duplicated", "ch-a")]
    assert kinds_of(twice, BASE) == [("removed", "ch-a")]
    of_another_date = [row("ch-a", stamp="2026-01-01T00:00:01Z")] * 2
    assert kinds_of([row("ch-a")], of_another_date) == [("restamped", "ch-a"), ("duplicated", "ch-a")]


def test_dates_are_counted_by_row_and_contacts_by_domain() -> None:
    certificates = [DN, DN.replace("mss.", "mx.")]
    old, dated = ([row("ch-a", dn=dn, stamp=s) for dn in certificates] for s in ("2025-12-01T10:00:00Z", "x"))
    assert kinds_of(old, dated) == [("restamped", "ch-a")] * 2
    assert "2 lignes (1 domaine)" in sentences(old, dated)[0]
    called = [row("ch-a", dn=dn, project="p") for dn in certificates]
    assert kinds_of(old, called) == [("contact_changed", "ch-a")]


def test_before_and_after_say_what_was_and_what_is() -> None:
    after = [*BASE[1:], row("ch-fable", dn=OTHER, project="01 99 00 00 07, p@beta.example")]
    found = changed(BASE, after).changes
    changes = worded_changes(found, contacts="all").set_index("kind")
    assert changes.loc["moved", "before"] == "CH ALPHA (1759900001)"
    assert changes.loc["moved", "after"] == "CH BETA (1679900001)"
    assert changes.loc["contact_changed", "after"] == "contact projet : 01 99 00 00 07, p@beta.example"
    assert changes["event"].tolist() == ["migration-1"] * 2
    assert found["facts"].tolist() == [
        {"before": [{"operator": "1759900001", "name": "CH ALPHA"}],
         "after": [{"operator": "1679900001", "name": "CH BETA"}]},
        {"contact": "project", "before": Person("01 99 00 00 01, projet@alpha.example"),
         "after": Person("01 99 00 00 07, p@beta.example")},
    ]  # fmt: skip


def test_two_identifiers_of_one_structure_are_no_move() -> None:
    siren, siret = "OU=2999000012", "OU=399900001200014"
    before, after = (DN.replace("OU=1759900001", ou) for ou in (siren, siret))
    assert kinds_of([row("ch-a", dn=before)], [row("ch-a", dn=after)]) == [("dn_replaced", "ch-a")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (row("ch-alpha"), row("chu-tout-autre", description="Messagerie de ch-alpha")),  # nobody else's rows
        (row("ch-alfa"), row("ch-alpha", description="Messagerie de ch-alfa")),
        (row("ch-alfa"), row("ch-alpha")),  # a name two letters away, another description
        # two things that it alone holds: description and date, then description and certificate
        (row("ch-vieux", description="Seule", stamp="x"),
         row("neuf", description="Seule", stamp="x", dn=OTHER)),
        (row("ch-vieux", description="Seule"), row("neuf", description="Seule", project="p", support="s")),
    ],
)  # fmt: skip
def test_renames(before, after) -> None:
    changes = worded_changes(changed([*BASE, before], [*BASE, after]).changes)
    assert changes["kind"].tolist()[0] == "renamed"
    assert set(changes["kind"]) <= {"renamed", "description_changed", "moved", "contact_changed"}
    assert (changes["before"].iloc[0], changes["after"].iloc[0]) == (before[0], after[0])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (row("ch-alpha1"), row("ch-alpha2")),  # two establishments
        (row("ch-alpha"), row("ehpad-beta")),
        (row("ch-alfa"), row("ch-alpha", dn=OTHER, project="p", support="s")),
        (row("ch-alpha", description="X"), row("ehpad-beta", description="X")),  # others have that text
    ],
)
def test_no_renames(before, after) -> None:
    others = [*BASE, row("ch-autre", description="X")]
    assert {kind for kind, _ in kinds_of([*others, before], [*others, after])} == {"added", "removed"}


@pytest.mark.parametrize("stamp", ["2025-12-01T10:00:00Z", "x"])  # a date that one name had, and two have
def test_two_names_as_near_are_no_rename(stamp: str) -> None:
    before, *after = (row(f"ch-alpha{end}", description="D", stamp=stamp) for end in ("", "-a", "-b"))
    kinds = Counter(kind for kind, _ in kinds_of([*BASE, before], [*BASE, *after]))
    assert kinds == {"added": 2, "removed": 1}


def test_a_renamed_domain_counts_neither_as_added_nor_as_removed_and_its_other_changes_are_told() -> None:
    before, after = row("ch-alfa"), row("ch-alpha", description="Messagerie de ch-alfa", stamp="x")
    changes = kinds_of([*BASE, before], [*BASE, after])
    assert changes == [("renamed", "ch-alpha"), ("restamped", "ch-alpha")]


def test_a_rename_that_only_the_lists_in_between_show(tmp_path) -> None:
    """Renamed first, then moved and described anew: the first and the last list have nothing in common."""
    last = row("messagerie", description="Autre", dn=OTHER, project="p", support="s")
    lists = [[row("ch-vieux-nom")], [row("messagerie", description="Messagerie de ch-vieux-nom")], [last]]
    for day, rows in enumerate(lists):
        content = xml([*BASE, *rows], AT + timedelta(days=day))
        sha = load_whitelist(content).sha256
        (tmp_path / f"{AT + timedelta(days=day):%Y-%m-%dT%H%M%SZ}-{sha[:8]}.xml.gz").write_bytes(content)
    found = span(open_archive(tmp_path), "2026-01-01", "2026-01-03").changes
    assert found["kind"].tolist()[0] == "renamed"
    assert {"added", "removed"}.isdisjoint(found["kind"])
    direct = between(*(side([*BASE, *rows]) for rows in (lists[0], lists[2]))).changes
    assert set(direct["kind"]) == {"added", "removed"}


def sentences(before: list[Row], after: list[Row]) -> list[str]:
    return [s.replace("\xa0", " ") for s in worded_events(changed(before, after).events)["sentence"]]


def test_a_migration_is_told_as_an_analyst_would() -> None:
    mine = [row("ch-reste", dn=OTHER)]
    after = [*mine, *(row(r[0].partition(".")[0], dn=OTHER) for r in BASE[:4]), *BASE[4:]]
    assert sentences([*BASE, *mine], after) == [
        "CH BETA (1679900001) a repris 4 domaines de CH ALPHA (1759900001)"
    ]


def test_one_slip_corrected_in_different_texts_is_one_event() -> None:
    before = [(*r[:3], f"01 99 00 00 0{i}, projet@alfa.example", *r[4:]) for i, r in enumerate(BASE)]
    after = [(*r[:3], r[3].replace("alfa", "alpha"), *r[4:]) for r in before]
    assert changed(before, after).events[["kind", "size"]].values.tolist() == [["correction", 6]]


def test_nothing_changed_gives_typed_empty_frames() -> None:
    found = changed(BASE, BASE[::-1])  # nor is another order a change
    assert found.changes.empty
    assert found.events.empty
    assert found.events.dtypes["size"] == "int64"
    assert (found.changes.drop(columns="facts").dtypes == "str").all()
    columns = ["event", "kind", "sentence", "size", "domains", "confidence", "facts"]
    assert worded_events(found.events).columns.tolist() == columns
    assert worded_changes(found.changes).empty


def lines(spans: list[Span]) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for span_ in spans:
        days = (f"{span_.start:%Y-%m-%d}", f"{span_.end:%Y-%m-%d}")
        for event in span_.events.itertuples():
            kinds = span_.changes.loc[span_.changes["event"] == event.event, "kind"].value_counts()
            counts = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
            found[(*days, event.kind, str(event.size), " ".join(event.domains), counts)] += 1
    return found


def test_the_story_of_the_sample_is_found_exactly() -> None:
    archive = open_archive(CATALOGUE / "archive", [CATALOGUE / "anchors"])
    days = [f"{time:%Y-%m-%d}" for time in TIMES]
    spans = [span(archive, a, b) for a, b in itertools.pairwise(days)]
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
    contacts = {f"CONTACT_{what}" for what in ("UNCHANGED", "PARTLY_CHANGED", "FORMER_OPERATOR")}
    by_history = {*contacts, "RECO_CONTACT_OLD"}
    found = concat([audit("stale_contacts", space), audit("reconciliation", space)])
    found = found[found["rule"].isin(by_history)]
    with (CATALOGUE / "defects.csv").open(encoding="utf-8", newline="") as file:
        truth = [tuple(line[1:]) for line in csv.reader(file) if line[0] == "archive"]
    findings = ((f.rule, f.domain, f.operator_id, row_ranges(f.rows)) for f in found.itertuples())
    assert Counter(findings) == Counter(truth)
    assert {line[0] for line in truth} == by_history
    space = load_space(CATALOGUE, as_of=SAMPLE_AS_OF, thresholds=limits)
    assert space.archive is not None, "of a list that is not in the archive it says nothing"
    assert not audit("stale_contacts", space)["rule"].isin({"CONTACT_UNCHANGED"}).any()


SIGNED = ("--archive", str(CATALOGUE / "archive"), "--anchors", str(CATALOGUE / "anchors"))


def run(*arguments: str, status: int = 0) -> list[dict[str, str]]:
    done = CliRunner().invoke(app, ["changes", *arguments, "--format", "json"])
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


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


def test_every_kind_of_event_has_a_sentence_in_each_language() -> None:
    archive = open_archive(CATALOGUE / "archive", [CATALOGUE / "anchors"])
    days = [f"{time:%Y-%m-%d}" for time in TIMES]
    events = pd.concat([span(archive, a, b).events for a, b in itertools.pairwise(days)])
    signers = between(side(BASE, signer="un.example"), side(BASE, signer="deux.example")).events
    many = [row(f"ch-{number}") for number in range(20)]
    shrunken = between(side(many), side(many[:2])).events
    assert shrunken["kind"].iloc[0] == "shrunken", "said before who left"
    assert not set(between(side(many), side(many[:12])).events["kind"]) & {"shrunken"}
    events = pd.concat([events, signers, shrunken[:1]])
    assert set(events["kind"]) == set(EVENTS)
    french, english = (worded_events(events, language=code)["sentence"].tolist() for code in ("fr", "en"))
    assert all(french)
    assert not set(french) & set(english)
    assert not [text for text in english if re.search("[’éèêà]| a | de ", text)]


def test_a_new_row_that_is_a_copy_is_named_with_whose() -> None:
    whose = row("ssiad-songe", description="SSIAD du Songe")
    for name, copied in (("clinique-mirage", True), ("clinique-songe", False)):
        found = changed([whose, *BASE], [whose, *BASE, row(name, description="SSIAD du Songe")])
        (text,) = worded_changes(found.changes, language="fr")["after"]
        assert ("ligne copiée de ssiad-songe.mssante.fr ?" in text.replace("\xa0", " ")) == copied


def test_an_operator_without_identifier_is_called_so() -> None:
    nobody = DN.replace("OU=1759900001,O=CH ALPHA,", "")
    (sentence,) = sentences([row("ch-a", dn=nobody)], [row("ch-a", dn=nobody), row("ch-b", dn=nobody)])
    assert sentence == "Un opérateur sans identifiant a ajouté 1 domaine"


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


def test_parquet_and_json_tell_the_same_facts(tmp_path: Path) -> None:
    dates = ("2025-09-01", "2025-11-03", *SIGNED)
    for more in ((), ("--events",)):
        out = tmp_path / "a.parquet"
        arguments = ["changes", *dates, *more, "--format", "parquet"]
        done = CliRunner().invoke(app, [*arguments, "--out", str(out)])
        assert done.exit_code == 0, done.output
        facts = [json.loads(text) for text in pd.read_parquet(out)["facts"]]
        assert facts == [record["facts"] for record in run(*dates, *more)]
        assert all(facts)
    refused = CliRunner().invoke(app, arguments)
    assert "parquet is not for the terminal" in str(refused.exception)


def test_files(tmp_path: Path) -> None:
    first, second = tmp_path / "one.xml", tmp_path / "two.xml"
    first.write_bytes(xml(BASE))
    second.write_bytes(xml([*BASE, row("ch-neuf")])[:-30])
    with pytest.raises(WhiteListError, match="rows are readable"):  # exit status 2
        CliRunner().invoke(app, ["changes", str(first), str(second)], catch_exceptions=False)
    records = run(str(first), str(second), "--recover", status=4)
    assert [(r["kind"], r["domain"]) for r in records] == [("added", "ch-neuf.mssante.fr")]
    text = CliRunner().invoke(app, ["changes", str(first), str(second), "--recover"]).stdout
    assert text.splitlines()[0].startswith("kind,domain,before,after,event")
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(app, ["changes", str(first), str(second), "--recover", "--out", str(out)])
    assert done.exit_code == 4
    assert out.read_text(encoding="utf-8-sig") == text
