"""The demonstration, ``data/sample``: its story is all that the audits find, and its README tells it."""

import re
from itertools import pairwise

import pytest
from conftest import toml
from test_sample import load

import mssante_audit as ms
from mssante_audit.archive.events import span
from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit_all, waived
from mssante_audit.base.resources import resource, sample_folder
from mssante_audit.findings.ledger import read_ledger, scope_of
from mssante_audit.findings.trend import read_trend, severity_counts
from tools.demo import LIST_FILE, MONTHS, demo_nights

DEMO = resource("data/sample")
STORY = toml("demo")


@pytest.fixture(scope="module")
def space(shipped):
    assert sample_folder() == shipped == DEMO
    return ms.load_space()


def test_audits_find_the_story_and_nothing_else(space):
    counts = audit_all(space).groupby("rule")["domains"].sum().to_dict()
    assert counts == STORY
    assert waived(space)["rule"].tolist() == ["CONTACT_PERSONAL"]


def test_readme_tells_rules_and_numbers(space):
    text = (DEMO / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text)) == STORY.keys()
    mail = ms.domains(space)["receives"].value_counts()
    (numbers,) = re.findall(r"Mail arrives for (\d+) .* risk for (\d+),.* for (\d+)\.", text)
    assert [*map(int, numbers)] == [mail["yes"], mail["degraded"], mail["no"]]
    assert 0.88 < mail["yes"] / mail.sum() < 0.95, "nine tenths"
    assert f"{len(space.entries)} domains of {space.entries['operator_id'].nunique()} operators" in text
    for name in re.findall(r"\| ([A-Z][A-Z ]+[A-Z]|`[\w.-]+fr`) (?:\||to)", text):
        column = "domain" if name.startswith("`") else "operator"
        assert (space.entries[column] == name.strip("`")).any() or "MOULIN" in name, name


def test_archive_of_fourteen_months_ends_with_the_list_audited(space):
    archive = open_archive(DEMO / "archive", [DEMO / "anchors"])
    kept = archive.snapshots
    assert {snapshot.generated_at.weekday() for snapshot in kept} == {0}
    assert (len(kept), (kept[-1].generated_at - kept[0].generated_at).days) == (15, 420)
    assert kept[-1].sha == space.whitelist.sha256[:8]
    assert space.whitelist.signature.status == "valid"
    days = [f"{snapshot.generated_at:%Y-%m-%d}" for snapshot in kept]
    events = {
        event.kind: (b, event.size)
        for a, b in pairwise(days)
        for event in span(archive, a, b).events.itertuples()
    }
    assert events["migration"] == ("2026-03-02", 24)
    assert events["contact"] == ("2025-09-01", 4)
    assert events.keys() >= {"added", "removed", "renewal", "arrival", "departure"}


def test_nights_end_as_the_audit_of_today(space):
    points = read_trend(DEMO / "nights" / "trend.json")
    assert [point.at[:7] for point in points] == [f"{y}-{m:02}" for y, m in MONTHS[-6:]]
    assert points[-1].counts == severity_counts(audit_all(space))
    assert all(point.unknown == 0 for point in points)
    assert sum(points[-1].counts.values()) == points[-1].new + points[-1].open
    scopes = read_ledger(DEMO / "nights")
    assert [*scopes] == [scope_of("run", {"data": "data"})], "as the next night looks for it"


@pytest.mark.long
def test_nights_found_what_is_in_git():
    for name, content in demo_nights().items():
        assert content == (DEMO / name).read_bytes()


def test_nothing_in_it_is_anybodys():
    entries = load(DEMO / LIST_FILE).entries
    contacts = " ".join([*entries["project_contact"], *entries["support_contact"]])
    assert {number[:8] for number in re.findall(r"\d\d(?: \d\d){4}", contacts)} == {"02 61 91"}
    assert all(host.endswith(".example") for host in re.findall(r"@([\w.-]+)", contacts))


def test_size():
    assert sum(file.stat().st_size for file in DEMO.rglob("*") if file.is_file()) < 1_400_000
