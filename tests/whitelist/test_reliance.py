"""Changes are as sure as the lists they are between, whichever side is damaged or not verified."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cells import plain, shown
from conftest import toml
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from made_lists import DN, row, xml
from made_lists import START as AT
from typer.testing import CliRunner

from mssante_audit import compare, load_whitelist
from mssante_audit.archive.changes import Side
from mssante_audit.archive.events import between
from mssante_audit.archive.store import import_lists, open_archive
from mssante_audit.audits import audit
from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.findings.registry import catalogue
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.space.story import chronicle, worded_changes, worded_events
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.signing import make_chain, make_keys, sign
from tools.sample.space import Row

OTHER = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"
THIRD = OTHER.replace("67990", "57990").replace("BETA", "C")


MX, NEW = DN.replace("mss.", "mx."), DN.replace("mss.", "mss2.")
REST = [row(f"ch-{name}") for name in ("fable", "songe", "mirage")]
SAME = ("ch-plus", "ch-neuf-certificat", "ch-texte", "ch-contact", "ch-date", "ch-ecrit", "ch-double")
BEFORE = [
    *REST, *map(row, ("ch-parti", "ch-cede", "ch-moins")), row("ch-moins", dn=MX), *map(row, SAME),
    *map(row, ("ch-simple", "ch-simple")), row("ch-alfa", description="Seul de son espèce"),
]  # fmt: skip
AFTER = [
    *REST, row("ehpad-venu"), row("ch-cede", dn=OTHER), row("ch-moins"), row("ch-plus"),
    row("ch-plus", dn=MX), row("ch-neuf-certificat", dn=NEW), row("ch-texte", description="Autre"),
    row("ch-contact", project="01 99 00 00 09, autre@alpha.example"),
    row("ch-date", stamp="2026-01-01T00:00:00Z"), row("ch-ecrit", dn=DN.replace(",", ", ")), row("ch-double"),
    row("ch-double"), row("ch-simple"), row("ch-alpha", description="Seul de son espèce"),
]  # fmt: skip

ALL = {
    ("added", "ehpad-venu"), ("removed", "ch-parti"), ("moved", "ch-cede"), ("dn_retired", "ch-moins"),
    ("dn_added", "ch-plus"), ("dn_replaced", "ch-neuf-certificat"), ("description_changed", "ch-texte"),
    ("contact_changed", "ch-contact"), ("restamped", "ch-date"), ("dn_respelt", "ch-ecrit"),
    ("duplicated", "ch-double"), ("duplicated", "ch-simple"),
}  # fmt: skip
COME = {("added", "ehpad-venu"), ("dn_added", "ch-plus"), ("duplicated", "ch-double")}
GONE = {("removed", "ch-parti"), ("dn_retired", "ch-moins"), ("duplicated", "ch-simple")}
BOTH = {("moved", "ch-cede"), ("dn_replaced", "ch-neuf-certificat")}
RENAMED = {("renamed", "ch-alpha")}
APART = {("added", "ch-alpha"), ("removed", "ch-alfa")}


def side(rows: list[Row], *doubts: str) -> Side:
    return Side(load_whitelist(xml(rows)).entries, AT, doubts)


def sure(before: tuple[str, ...], after: tuple[str, ...]) -> dict[str, set[tuple[str, str]]]:
    """Return which changes are how sure between two lists with these doubts."""
    changes = between(side(BEFORE, *before), side(AFTER, *after)).changes
    result: dict[str, set[tuple[str, str]]] = {}
    for kind, domain, shown_as in changes[["kind", "domain", "confidence"]].itertuples(index=False):
        result.setdefault(shown_as, set()).add((kind, domain.removesuffix(".mssante.fr")))
    return result


@pytest.mark.parametrize(
    ("before", "after", "unknown"),
    [
        (("damaged",), (), COME | BOTH | {("added", "ch-alpha")}),  # a row missing there makes nothing new
        ((), ("damaged",), GONE | BOTH | {("removed", "ch-alfa")}),  # and here it is not gone
        (("damaged",), ("damaged",), GONE | COME | BOTH | APART),
    ],
)
def test_what_a_damaged_list_may_lack_is_unknown(before, after, unknown) -> None:
    assert sure((), ()) == {"certain": ALL, "likely": RENAMED}
    assert sure(before, after) == {"unknown": unknown, "likely": (ALL | APART) - unknown}


@pytest.mark.parametrize("doubt", ["forged", "unsigned", "untrusted"])
def test_nothing_is_known_of_a_list_that_nobody_vouches_for(doubt: str) -> None:
    assert sure((doubt,), ()) == sure((), (doubt,)) == {"unknown": ALL | RENAMED}


@pytest.mark.parametrize(
    ("doubts", "arrival", "departure"),
    [
        (((), ()), "certain", "certain"), ((("damaged",), ()), "unknown", "likely"),
        (((), ("damaged",)), "likely", "unknown"), (((), ("forged",)), "unknown", "unknown"),
    ],
)  # fmt: skip
def test_an_event_is_as_sure_as_its_changes(doubts, arrival: str, departure: str) -> None:
    left, come = [row("ch-a", dn=OTHER)], [row("ch-b", dn=THIRD)]
    events = between(side([*REST, *left], *doubts[0]), side([*REST, *come], *doubts[1])).events
    shown_as = dict(zip(events["kind"], events["confidence"], strict=True))
    assert shown_as == {"arrival": arrival, "added": arrival, "departure": departure, "removed": departure}
    for language, opening in (("fr", "Non établi : "), ("en", "Not est")):
        words = worded_events(events, language=language).set_index("kind")["sentence"]
        for kind, confidence in shown_as.items():
            assert words[kind].startswith(opening) == (confidence == "unknown")


def test_an_event_of_several_kinds_is_as_sure_as_the_least_sure() -> None:
    """A contact read is likely; that the earlier operator is gone is not known: nor is the migration."""
    moved = [row("ch-cede", dn=OTHER, project="p")]
    result = between(side([*REST, row("ch-cede")]), side([*REST, *moved], "damaged"))
    shown_as = dict(zip(result.changes["kind"], result.changes["confidence"], strict=True))
    assert shown_as == {"moved": "unknown", "contact_changed": "likely"}
    assert result.events[["kind", "confidence"]].values.tolist()[0] == ["migration", "unknown"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of lists: good ones of two days, and the later one in each bad state."""
    folder = tmp_path_factory.mktemp("lists")
    chain = make_chain(keys=(keys := make_keys()))
    anchors = (c.public_bytes(Encoding.PEM) for c in (chain.root, chain.issuing))
    (folder / "anchors.pem").write_bytes(b"".join(anchors))
    plain = [xml(rows, AT + timedelta(days=days)) for days, rows in enumerate((BEFORE, AFTER))]
    before, after = (sign(content, chain) for content in plain)
    lists = {
        "before": before, "after": after, "cut": after[: after.index(b"ch-contact") - 20],
        "cut-before": before[: before.index(b"ch-double") - 20],
        "forged": after.replace(b"ehpad-venu", b"ehpad-faux"),
        "unsigned": plain[1],
        "foreign": sign(plain[1], other := make_chain(keys=keys, common_name="autre.fictif.example")),
        "foreign-before": sign(plain[0], other),
        "unfit": sign(plain[1], make_chain(keys=keys, purpose=ExtendedKeyUsageOID.SERVER_AUTH)),
        "stranger": sign(plain[1], make_chain()),
        "renewed": sign(plain[1], make_chain(keys=keys, not_before=AT - timedelta(days=9))),
    }  # fmt: skip
    for name, content in lists.items():
        (folder / f"{name}.xml.gz").write_bytes(gzip.compress(content))
    return folder


def trusted(place: Path) -> dict[str, Any]:
    return {"anchors": [place / "anchors.pem"], "signer": SAMPLE_SIGNER}


def space_of(data: Path, place: Path) -> TrustSpace:
    return load_space(data, as_of="2026-01-03T06:00:00Z", **trusted(place))


def run(place: Path, before: str, after: str, *more: str) -> tuple[int, str, str]:
    lists = [str(place / f"{name}.xml.gz") for name in (before, after)]
    trust = ("--anchors", str(place / "anchors.pem"), "--signer", SAMPLE_SIGNER)
    done = CliRunner().invoke(app, ["changes", *lists, *trust, *more])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(("before", "after", "status", "why"), toml("whitelist/lists")["relied_on"])
def test_the_exit_status_tells_whether_both_lists_are_to_be_relied_on(place, before, after, status, why):
    result, out, errors = run(place, before, after, "--recover", "--format", "json")
    assert result == status
    assert why in errors
    assert bool(why) == bool(errors)
    shown_as = {record["confidence"] for record in json.loads(out)}
    assert shown_as == ({"unknown"} if status else {"certain", "likely"}), "cut and unsigned is no better"


@pytest.mark.parametrize("events", [(), ("--events",)])
def test_every_format_has_it(place, tmp_path, events):
    for suffix, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        out = tmp_path / f"a.{suffix}"
        run(place, "before", "unsigned", *events, "--format", suffix, "--out", str(out))
        assert set(read(out)["confidence"]) == {"unknown"}


def test_compare_takes_paths_lists_and_dates(place: Path, kept: Path) -> None:
    files = [place / "before.xml.gz", place / "after.xml.gz"]
    options = {"archive": kept} | trusted(place)
    loaded = [load_whitelist(file, **trusted(place)) for file in files]
    days = [date(2026, 1, 1), datetime(2026, 1, 2, 12, tzinfo=UTC)]
    spans = [
        compare(*files, **options), compare(*map(str, files), **options), compare(*loaded),
        compare(*days, **options), compare("2026-01-01", loaded[1], **options),
        compare(*days, archive=open_archive(kept, **trusted(place))),
        compare(*(TrustSpace(listed, AT) for listed in loaded)),
    ]  # fmt: skip
    for span in spans:
        pd.testing.assert_frame_equal(span.changes, spans[0].changes)
        pd.testing.assert_frame_equal(span.events, spans[0].events)
        assert (span.doubts, span.start, span.end) == (((), ()), AT, AT + timedelta(days=1))
    before = spans[0].changes.set_index("kind").loc["contact_changed", "before"]
    assert before.endswith("01 99 00 00 01, projet@alpha.example"), "a service's"
    assert compare(*files).doubts == (("untrusted",), ("untrusted",))


def test_compare_of_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for nowhere in (tmp_path / "none.xml", "/nowhere", "none.xml"):
        with pytest.raises(InputError, match="no such file"):
            compare(nowhere, nowhere)


@pytest.fixture
def kept(place: Path, tmp_path: Path) -> Path:
    archive = open_archive(tmp_path / "archive", **trusted(place))
    list(import_lists(archive, [place / "before.xml.gz", place / "after.xml.gz"]))
    return tmp_path / "archive"


def planted(kept: Path, place: Path, name: str) -> None:
    """Put a list that the archive would not have kept among its lists."""
    content = gzip.decompress((place / f"{name}.xml.gz").read_bytes())
    sha = load_whitelist(content).sha256
    min(kept.glob("2026-01-02*.xml.gz")).unlink()
    (kept / f"2026-01-02T053000Z-{sha[:8]}.xml.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("name", ["forged", "unsigned"])
def test_the_report_claims_nothing_of_a_list_that_nobody_vouches_for(place, kept, name) -> None:
    planted(kept, place, name)
    space = space_of(kept.parent, place)
    story = chronicle(space)
    assert set(story.events["confidence"]) == {"unknown"}
    scope = {
        "space": space, "story": story, "changes": worded_changes(story.whole.changes),
        "events": worded_events(story.events), "lists": story.counts.set_index("time"), "row_limit": 50,
    }  # fmt: skip
    lead = plain(shown("changes", "answer", **scope).text)
    assert "Aucun changement n’est établi" in lead
    assert f"{len(story.events)} événements ne sont pas établis" in lead
    figures = "".join(shown("changes", "figures", **scope).text.split())
    assert f"Changementsnonétablis</dt><dd>{len(story.whole.changes)}<" in figures
    assert "Domainesretirés</dt><dd>0<" in figures
    assert "certitude" in shown("changes", "kinds", **scope).text.lower()
    assert shown("changes", "flows", **scope).html().count("<svg") == 0


def test_a_snapshot_knows_how_sure_its_changes_are_and_whom_to_trust(place, kept, tmp_path) -> None:
    def changes() -> Counter[str]:
        make_snapshot(space_of(kept.parent, place), tmp_path / "snapshot", data=kept.parent)
        (kept / "log.jsonl").unlink(missing_ok=True)  # the archive is verified with what the snapshot names
        story = chronicle(load_space(tmp_path / "snapshot"))
        shown_as = pd.read_parquet(tmp_path / "snapshot" / "changes.parquet")["confidence"]
        assert Counter(story.whole.changes["confidence"]) == Counter(shown_as)
        return Counter(shown_as)

    assert changes() == {"certain": len(ALL), "likely": 1}
    planted(kept, place, "unsigned")
    assert set(changes()) == {"unknown"}


def day_after(place: Path, folder: Path, first: str, last: str) -> list[tuple[str, str, str]]:
    """Return the event and the findings on signers, the list of the second day being signed by another."""
    lists = [load_whitelist(place / f"{name}.xml.gz") for name in (first, last)]
    folder.mkdir()
    for days, whitelist in enumerate(lists):
        name = f"{AT + timedelta(days=days):%Y-%m-%dT%H%M%SZ}-{whitelist.sha256[:8]}.xml.gz"
        (folder / name).write_bytes(gzip.compress(whitelist.content()))
    space = space_of(folder.parent, place)
    events, findings = chronicle(space).events, audit("whitelist_integrity", space)
    events = events[events["kind"] == "signer"]
    findings = findings[findings["rule"].isin(["LIST_SIGNER_CHANGED", "LIST_SIGNER_NEW"])]
    assert all(facts["since"] == lists[1].generated_at.isoformat() for facts in findings["facts"])
    names = [*events["confidence"], *findings["rule"]]
    facts = [*events["facts"], *findings["facts"]]
    return [(name, fact["before"], fact["after"]) for name, fact in zip(names, facts, strict=True)]


@pytest.mark.parametrize(
    ("first", "last", "names", "rule", "severity"),
    [
        ("before", "foreign", (SAMPLE_SIGNER, "autre.fictif.example"), "LIST_SIGNER_CHANGED", "critical"),
        ("foreign-before", "after", ("autre.fictif.example", SAMPLE_SIGNER), "LIST_SIGNER_NEW", "info"),
    ],
)
def test_another_signer_is_grave_unless_the_one_expected(place, tmp_path, first, last, names, rule, severity):
    shown_as = day_after(place, tmp_path / "archive", first, last)
    assert shown_as == [("likely", *names), (rule, *names)]
    assert catalogue()[rule].severity == severity


@pytest.mark.parametrize("last", ["after", "renewed", "forged", "unsigned"])
def test_the_same_signer_and_none_that_can_be_believed_are_no_change(place, tmp_path, last) -> None:
    assert day_after(place, tmp_path / "archive", "before", last) == []


def test_test_entries_are_left_out_and_the_rest_of_a_side_stays() -> None:
    whole = replace(side([*REST, row("ch-test")], "damaged"), signer="x")
    assert len(whole.audited.entries) == len(REST)
    assert (whole.audited.doubts, whole.audited.signer, whole.audited.time) == (("damaged",), "x", AT)
