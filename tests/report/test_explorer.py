"""What the explorer's page holds: the frames' own numbers and words, no person, no markup, not too much."""

import html as html_text
import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from shutil import copytree

import nbformat
import pandas as pd
import pytest
from conftest import CATALOGUE, REAL, REAL_AS_OF, SAMPLE_AS_OF
from explored import called, page_of, unpacked
from tlsmade import write_before, write_tls

from mssante_audit.base.language import words_of
from mssante_audit.base.markup import visible
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.explorer import CHANGES
from mssante_audit.report.first import COLUMNS
from mssante_audit.report.run import run_reports
from mssante_audit.snapshot import make_snapshot
from mssante_audit.snapshot.load import load_space as load_snapshot
from mssante_audit.space.trust import Thresholds, load_space
from mssante_audit.values.contacts import names_nobody
from mssante_audit.verdicts.presented import expiries, renewals

EXPLORER = "mssante_audit.report.explorer"
BUDGET = 1_500_000
"""Bytes of the page for 8,700 domains; `bench_explorer` measures them."""


@pytest.fixture(scope="module")
def explored(space):
    return page_of(space)


@pytest.fixture(scope="module")
def content(explored):
    return unpacked(explored[0])


def values(content, key):
    (facet,) = (candidate for candidate in content["facets"] if candidate["key"] == key)
    return [facet["values"][place] for place in facet["column"]]


def test_every_column_is_that_of_the_frame(explored, content):
    rows, frame = content["rows"], explored[1]
    frame = frame.assign(shown=frame["domain"].map(called)).set_index("shown")
    assert sorted(rows["domain"]) == sorted(frame.index)
    frame = frame.loc[rows["domain"]]
    for key in ("arrives", "order", "severity", "region", "department", *CHECKS):
        assert values(content, key) == frame[COLUMNS.get(key, key)].tolist(), key
    assert values(content, "operator") == frame["operator_id"].tolist()
    assert rows["boxes"] == [None if pd.isna(n) else n for n in frame["mailboxes"]]
    assert [content["whys"][place] for place in rows["why"]] == frame["why"].tolist()
    for severity in SEVERITIES:
        counts = [sum(content["findings"][at][1] == severity for at in places) for places in rows["findings"]]
        assert counts == frame[severity].tolist(), severity


def test_the_worst_come_first_and_of_these_those_with_most_mailboxes(content):
    assert content["question"] == "arrives"
    ranks = [("no", "degraded", "unknown", "yes").index(answer) for answer in values(content, "arrives")]
    keys = list(zip(ranks, [-n for n in content["rows"]["boxes"]], strict=True))
    assert keys == sorted(keys)


def test_only_its_own_script_may_run(explored):
    page = explored[0]
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)[1]
    allowed = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{allowed}&#39;;" in page
    assert not re.search(r"<[^>]*\s(on\w+|style)=", page.replace(script, ""))


def test_history_is_what_the_lists_say_one_by_one(space, content):
    lists = [space.archive.load(snapshot).entries for snapshot in space.archive.snapshots]
    lists = [entries.groupby(entries["domain"].map(called))[list(CHANGES)].agg(set) for entries in lists]
    assert len(content["history"]["lists"]) == len(lists) > 2
    changed = 0
    for place, name in enumerate(content["rows"]["domain"]):
        first, *steps = content["history"]["rows"].get(str(place), [None])
        listed_at = [at for at, rows in enumerate(lists) if name in rows.index]
        assert first == (listed_at[0] if listed_at else None)
        seen = [set() for _ in CHANGES]
        expected = []
        for at in listed_at:
            new = [lists[at].loc[name, field] for field in CHANGES]
            bits = sum(
                (not now <= before) << bit for bit, (now, before) in enumerate(zip(new, seen, strict=True))
            )
            seen = [before | now for before, now in zip(seen, new, strict=True)]
            expected += [[at, bits]] if bits and at != first else []
        assert steps == expected, name
        changed += len(steps)
    assert changed


def test_certificates_presented_have_their_ends(space, tmp_path):
    data = copytree(CATALOGUE, tmp_path / "data")
    write_tls(space, data, ("mx<b>", "=1+1"))
    seen = load_space(data, as_of=SAMPLE_AS_OF)
    content, ends = unpacked(page_of(seen)[0]), expiries(seen)
    texts, names = content["texts"], content["rows"]["domain"]
    shown = [
        (names[int(place)], texts[host], texts[name], texts[until], days)
        for place, presented in content["presented"].items()
        for host, name, until, days in presented
    ]
    parts, until = (ends[c].map(called) for c in ("domain", "host", "name")), ends["until"]
    assert len(shown) > 3
    assert sorted(shown) == sorted(zip(*parts, until.dt.strftime("%Y-%m-%d"), ends["days"], strict=True))


def test_certificates_that_changed_are_told_of_each_domain(space, content, tmp_path):
    assert content["moves"] == {}, "of one observation"
    data = copytree(CATALOGUE, tmp_path / "data")
    write_before(space, data, "CN=<b>x,C=FR")
    seen = load_space(data, as_of=SAMPLE_AS_OF)
    content, moves = unpacked(page_of(seen)[0]), renewals(seen)
    names, texts, words = content["rows"]["domain"], content["texts"], words_of(EXPLORER)["fr"]["script"]
    shown = Counter(
        (names[int(place)], *(texts[part] for part in parts), spare)
        for place, cells in content["moves"].items()
        for *parts, spare in cells
    )
    assert len(moves) > 20
    assert shown == Counter(
        (called(domain), move.host, f"{move.at:%Y-%m-%d}", move.kind, move.order, move.spare)
        for move in moves.itertuples()
        for domain in move.domains
    )
    assert set(moves["kind"]) <= words["moves"].keys()
    assert set(moves["order"]) - {""} <= words["orders"].keys()


def emails_in(space):
    emails = {*space.audited["support_email"], *space.audited["project_email"]} - {""}
    return {email for email in emails if not names_nobody(email)}


def test_nobody_is_named_unless_asked_for(space, explored, content):
    named, masked = emails_in(space), "\n".join(content["texts"])
    assert len(named) > 2
    assert not [text for text in named if text in masked]
    assert "Contacts en clair" not in explored[0]
    columns = ("support_contact", "project_contact")
    written = {text for name in columns for text in space.audited[name] if text}
    texts, rows = content["texts"], content["rows"]
    assert len({texts[at] for name in columns for places in rows[name] for at in places}) == len(written), (
        "two stay two"
    )
    shown, _ = page_of(replace(space, contacts="all"))
    assert "Contacts en clair" in shown
    assert {visible(text) for text in written if len(text) < 300} <= {*unpacked(shown)["texts"]}


def test_what_was_not_looked_at_or_is_too_old_is_unknown(space):
    page, _ = page_of(replace(space, observation=None, register=None, judged=None))
    content = unpacked(page)
    for key in ("dns", "mail", "tls", "declaration", "arrives"):
        assert set(values(content, key)) == {"unknown"}
    assert content["question"] == "order", "nobody looked whether mail arrives"
    assert "La liste est-elle en règle" in page
    assert "inconnu pour tous les domaines\N{NO-BREAK SPACE}: DNS, Messagerie, TLS, Déclaration." in page
    page, _ = page_of(load_space(as_of="2027-03-03"))
    assert set(values(unpacked(page), "order")) == {"unknown"}
    assert {"yes", "degraded"}.isdisjoint(values(unpacked(page), "arrives"))
    assert "la liste est trop ancienne" in page


def test_what_rests_on_an_old_observation_tells_of_what_and_how_old():
    old = load_space(as_of="2026-03-08T06:00:00Z", thresholds=Thresholds(observation_max_age_days=3))
    page = unpacked(page_of(old)[0])
    audits = {code: rule.audit for code, rule in catalogue().items()}
    seen = {"delegation_vs_redirection", "certificates"}
    for code, *_, doubt in page["findings"]:
        assert bool(page["texts"][doubt]) == (audits[code] in seen), code
    doubts = {page["texts"][finding[-1]] for finding in page["findings"]} - {""}
    both = "observation du DNS (6\N{NBSP}jours) et observation TLS (5\N{NBSP}jours)"
    assert doubts == {"observation du DNS (6\N{NBSP}jours)", both}


def test_a_snapshot_makes_the_same_and_says_when_it_has_no_contacts(space, content, tmp_path):
    for shareable in (False, True):
        out = tmp_path / f"snapshot-{shareable}"
        make_snapshot(space, out, data=CATALOGUE, shareable=shareable)
        kept = unpacked(load_snapshot(out).explore().html)
        assert kept["contacts"] is not shareable
        if not shareable:
            assert kept == content
        assert kept["rows"]["why"] == content["rows"]["why"]
        assert kept["rows"]["findings"] == content["rows"]["findings"]


def test_in_a_notebook_it_stands_in_a_sandbox_and_a_file_is_made_when_asked_for(space, explored, tmp_path):
    explorer = space.explore()
    shown = explorer._repr_html_()
    assert 'sandbox="allow-scripts allow-downloads"' in shown
    assert html_text.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == explorer.html == explored[0]
    explorer.save(tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == explorer.html
    assert "<strong>Exemple fictif</strong>, situation au 3" in explorer.html.partition("</header>")[0]


@pytest.mark.real
@pytest.mark.long
@pytest.mark.skipif(not REAL.exists(), reason="no real list beside the checkout (../shared/real)")
def test_the_real_list_fits_and_names_nobody():
    space = load_space(REAL, as_of=REAL_AS_OF)
    page, frame = page_of(space)
    assert len(page.encode()) <= BUDGET * len(frame) / 8700
    assert len(named := emails_in(space)) > 100
    masked = "\n".join(unpacked(page)["texts"])
    assert not [text for text in named if text in masked]


def test_beside_reports_of_one_department_it_tells_of_that_alone(space, tmp_path):
    code = "data: str = None\nas_of: str = None\ndepartment: str = None"
    cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "small.ipynb")
    code = space.audited["department"].value_counts().index[1]
    settings = {"as_of": SAMPLE_AS_OF, "department": code}
    run = run_reports(out=tmp_path / "out", notebooks=tmp_path, parameters=settings)
    content = unpacked((run.out / "explorer.html").read_text(encoding="utf-8"))
    domains = space.audited.loc[space.audited["department"] == code, "domain"]
    assert sorted(content["rows"]["domain"]) == sorted(map(called, domains.unique()))
    index = (run.out / "index.html").read_text(encoding="utf-8")
    assert '<form class="find" action="explorer.html">' in index
    assert "Rapport limité aux opérateurs du département" in index
    assert "Une partie seulement des domaines" in (run.out / "explorer.html").read_text(encoding="utf-8")
    run = run_reports(["small"], out=run.out, notebooks=tmp_path, parameters=settings)
    assert "explorer.html" not in (run.out / "index.html").read_text(encoding="utf-8"), (
        "it was not made again"
    )
