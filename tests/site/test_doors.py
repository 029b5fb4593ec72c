"""Doors for programs: each says of a domain what the others say; feeds are Atom, stable, and name nobody."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from explored import called, unpacked
from lxml import etree

from mssante_audit import audits
from mssante_audit.base.language import using_language
from mssante_audit.base.text import visible
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.report.explorer import FILE as EXPLORER
from mssante_audit.report.html import names
from mssante_audit.site.build import build_site, file_name
from mssante_audit.snapshot.make import changes_of
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.domains import domains, records_of

ATOM = "{http://www.w3.org/2005/Atom}"
AS_OF = "2026-03-03T06:00:00Z"


def built(folder, space, followed=None):
    folder.mkdir()
    findings = audits.audit_all(space)
    build_site(folder, space, findings, waived=audits.waived(space), told=followed, points=())
    return folder


@pytest.fixture(scope="module")
def site(space, tmp_path_factory):
    return built(tmp_path_factory.mktemp("doors") / "site", space)


def entries(file):
    """Return the entries of a feed, once it and they have what RFC 4287 (4.1.1, 4.1.2) asks for, once."""
    feed = etree.parse(file).getroot()
    assert feed.tag == f"{ATOM}feed"
    assert len(feed.findall(f"{ATOM}author/{ATOM}name")) == 1
    for part in (feed, *feed.iter(f"{ATOM}entry")):
        (key,), (title,), (updated,), (link,) = (
            part.findall(f"{ATOM}{name}") for name in ("id", "title", "updated", "link")
        )
        assert key.text.startswith("urn:")
        assert title.text
        assert datetime.fromisoformat(updated.text).tzinfo
        assert (file.parent / link.get("href")).is_file()
    listed = [{child.tag.removeprefix(ATOM): child.text for child in e} for e in feed.iter(f"{ATOM}entry")]
    assert all(entry.keys() >= {"id", "title", "updated", "content"} for entry in listed)
    assert len({entry["id"] for entry in listed}) == len(listed)
    return listed


def test_each_door_says_the_same_of_a_hundred_domains(site, space):
    index = json.loads((site / "api" / "index.json").read_text(encoding="utf-8"))
    frame = domains(space).set_index("domain")
    explored = unpacked((site / EXPLORER).read_text(encoding="utf-8"))
    rows, facets = explored["rows"], {facet["key"]: facet for facet in explored["facets"]}
    assert {line["domain"] for line in index["domains"]} == set(map(unnamed, space.entries["domain"]))
    for line in [line for line in index["domains"] if "•" not in line["domain"]][:100]:
        record = json.loads((site / "api" / line["file"]).read_text(encoding="utf-8"))
        with using_language("en"):
            assert record == json.loads(json.dumps(next(records_of(space, [line["domain"]], "en"))))
        assert (record["arrives"], record["order"]) == (line["arrives"], line["order"])
        assert record["listed"]
        if line["domain"] in frame.index:
            at, row = rows["domain"].index(called(line["domain"])), frame.loc[line["domain"]]
            shown = (facets[key]["values"][facets[key]["column"][at]] for key in ("arrives", "order"))
            assert (*shown, explored["whys"][rows["why"][at]]) == (*row[["receives", "order"]], record["why"])
            assert (record["arrives"], record["order"]) == (row["receives"], row["order"])
            assert record["operator"]["id"] == row["operator_id"]
            assert line["domain"] in space.search(line["domain"])["domain"].tolist()


def test_the_first_night_says_what_there_is_and_operators_have_their_own(site, space):
    feed = entries(site / "feed.atom")
    assert len(feed) > 30
    every, kinds = changes_of(space), (*names("changes").values(),)
    for page in (site / "operateurs").glob("*.html"):
        of_one = entries(page.with_suffix(".atom"))
        changed = [entry for entry in of_one if entry["title"].startswith(kinds)]
        assert {entry["id"] for entry in of_one if entry not in changed} <= {entry["id"] for entry in feed}
        mine = every[every.filter(like="operator_").eq(page.stem).any(axis=1)]
        domains = {domain for entry in changed for domain in entry["content"].split(", ")}
        assert domains == {*map(visible, map(space.shown, mine["domain"]))}, "of nobody else"
    assert len(every) > 3
    assert any(len(entries(file)) > 5 for file in (site / "operateurs").glob("*.atom"))


def test_the_next_night_tells_what_the_list_changed_as_it_was(site, space, tmp_path):
    again = built(tmp_path / "again", replace(space, as_of=space.as_of + timedelta(hours=1)))
    first, then = entries(site / "feed.atom"), entries(again / "feed.atom")
    changed = {entry["title"].partition(" (")[0] for entry in first if entry in then}
    assert "Domaines renommés" in changed
    assert changed <= {*names("changes").values()}
    assert [entry["id"] for entry in first] == [entry["id"] for entry in then]
    generated = f"{space.whitelist.generated_at:%FT%T}+00:00"
    assert {entry["updated"] for entry in first if entry in then} == {generated}


def test_a_later_night_says_what_is_new_and_fixed(space, tmp_path):
    findings = audits.audit_all(space)
    status = ("new", *["open"] * (len(findings) - 1))
    fixed = {"rule": "DNS_MX_NULL", "domain": "ch-gone.mssante.fr", "operator": "", "fingerprint": "00"}
    since = FollowUp(AS_OF, (AS_OF,) * len(findings), status, (fixed | {"first_seen": AS_OF},))
    titles = [entry["title"] for entry in entries(built(tmp_path / "later", space, since) / "feed.atom")]
    assert sum(title.startswith("Réglé\u00a0: ") for title in titles) == 1
    assert len(titles) < 20


def test_no_path_is_made_of_a_name_that_is_none():
    for name in ("../x", "a/b", ".hidden", "A.example", "x" * 300, "a..b", "a.", "a\0", "con@x"):
        assert file_name(name, name).startswith("other-"), name
        assert "/" not in file_name(name, name)
    assert file_name("0612345678.example", "•.example").startswith("other-")
