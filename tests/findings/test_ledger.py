"""What earlier runs found: new, still open, fixed; in page, CSV and summary; points of the trend."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import CATALOGUE
from made_findings import framed, made

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import InputError
from mssante_audit.base.settings import Thresholds
from mssante_audit.base.state import state_bytes
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.ledger import (
    follow,
    inputs_before,
    note_inputs,
    read_ledger,
    scope_of,
    write_ledger,
)
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.trend import TrendPoint, add_point, point_of, read_trend
from mssante_audit.report.findings import follow_up_html
from mssante_audit.report.run import run_reports

ENTRIES = pd.DataFrame(
    [(1, "a.fr", "1", "A"), (2, "b.fr", "1", "A"), (3, "c.fr", "2", "B")],
    columns=["row", "domain", "operator_id", "operator"],
)
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def frame(*rows: int, more: Sequence[Finding] = ()) -> pd.DataFrame:
    return framed([*(made("DN_SHAPE", (row,), observed=f"row {row}") for row in rows), *more], ENTRIES)


ROW_3 = made("LIST_ROW_DUPLICATE", (3,))  # of another audit
FAILURE = Finding(FAILED, ("dn_consistency", "x"), facts={"audit": "dn_consistency"})
UNSURE = {"unsure": ("dn_consistency",)}
Step = tuple[pd.DataFrame, dict[str, Any], tuple[str, ...], list[str], list[str]]
RUNS: dict[str, list[Step]] = {
    # by run: its findings, what it says beside; the status of each, the domains of those fixed and unknown
    "new, open and fixed": [
        (frame(1, 2), {}, ("", ""), [], []), (frame(2, 3), {}, ("open", "new"), ["a.fr"], [])],
    "a finding that is back is new": [
        (frame(1), {}, ("",), [], []), (frame(), {}, (), ["a.fr"], []), (frame(1), {}, ("new",), [], [])],
    "in doubt it is unknown, and new once somebody can vouch for it": [
        (frame(1), {}, ("",), [], []), (frame(1, 2), UNSURE, ("unknown",) * 2, [], []),
        (frame(1, 2), {}, ("open", "new"), [], [])],
    "seen in doubt only, it is not fixed by going": [
        (frame(1), {}, ("",), [], []), (frame(1, 2), UNSURE, ("unknown",) * 2, [], []),
        (frame(1), {}, ("open",), [], [])],
    "a first run in doubt is none": [(frame(1), UNSURE, ("unknown",), [], []), (frame(1), {}, ("",), [], [])],
    "not evaluated, since this program failed": [
        (frame(1, more=[ROW_3]), {}, ("", ""), [], []),
        (findings_frame([FAILURE], ENTRIES), {}, ("unknown",), ["c.fr"], ["a.fr"]),
        (frame(1), {}, ("open",), [], [])],
    "an input lacked": [
        (frame(1, more=[ROW_3]), {}, ("", ""), [], []), (frame(), UNSURE, (), ["c.fr"], ["a.fr"]),
        (frame(1), {}, ("open",), [], [])],
    "accepted, and no longer": [
        (frame(1, 2), {}, ("", ""), [], []), (frame(2), {"waived": frame(1)}, ("open",), [], []),
        (frame(1, 2), {}, ("open", "open"), [], [])],
    "accepted, and gone: nothing is said of it": [
        (frame(1, 2), {}, ("", ""), [], []), (frame(2), {"waived": frame(1)}, ("open",), [], []),
        (frame(2), {}, ("open",), [], [])],
}  # fmt: skip


@pytest.mark.parametrize("steps", RUNS.values(), ids=RUNS)
def test_runs_one_after_another(steps: list[Step]) -> None:
    ledger: dict[str, Any] = {}
    for number, (findings, options, status, fixed, unknown) in enumerate(steps):
        run = follow(ledger, "x", DAYS[number], findings, **options)
        assert run.status == status
        assert [[note["domain"] for note in notes] for notes in (run.fixed, run.unknown)] == [fixed, unknown]
        assert (run.counts()["fixed"], run.counts()["unknown"]) == (
            len(fixed), status.count("unknown") + len(unknown),
        )  # fmt: skip
        assert {note["first_seen"][:10] for note in run.unknown} <= {DAYS[0]}
        if options == UNSURE and status:
            assert run.first_seen[-1].startswith(DAYS[number])
            assert ("inconnu" in follow_up_html(run, findings)) == bool(run.previous)
    since = DAYS[1] if steps[0][1] else DAYS[0]  # a first run in doubt is none
    assert all(day.startswith(since) for day in run.first_seen[:1])


def test_of_a_rule_that_there_is_no_more_nothing_is_said_until_it_is_back(monkeypatch) -> None:
    ledger: dict[str, Any] = {}
    follow(ledger, "x", DAYS[0], frame(1, more=[ROW_3]))
    with monkeypatch.context() as patch:
        others = {code: rule for code, rule in catalogue().items() if code != "DN_SHAPE"}
        patch.setattr("mssante_audit.findings.ledger.catalogue", lambda: others)
        assert set(follow(ledger, "x", DAYS[1], frame(more=[ROW_3])).counts().items()) == {
            ("new", 0), ("open", 1), ("fixed", 0), ("unknown", 0)}  # fmt: skip
    assert follow(ledger, "x", DAYS[2], frame(1)).status == ("open",)


def test_a_page_says_what_is_new_open_and_fixed() -> None:
    ledger: dict[str, Any] = {}
    first = follow(ledger, "x", DAYS[0], frame(1, 2))
    assert (first.previous, follow_up_html(first, frame(1, 2))) == ("", "")
    html = follow_up_html(follow(ledger, "x", DAYS[1], frame(2, 3)), frame(2, 3)).replace("\xa0", " ")
    assert "Depuis la situation du 1er janvier 2026 : 1 nouveau constat, 1 constat encore" in html
    assert "et 1 constat réglé." in html
    assert "encore ouvert (le plus ancien depuis le 1er janvier 2026)" in html


def test_an_archived_list_may_show_a_finding_before_any_run() -> None:
    ledger: dict[str, Any] = {}
    listed = frame(1, 2).assign(first_seen=["2025-09-01T05:30:00+00:00", ""])
    first = follow(ledger, "x", DAYS[0], listed)
    assert [day[:10] for day in first.first_seen] == ["2025-09-01", "2026-01-01"]
    second = follow(ledger, "x", DAYS[1], frame(2))
    assert second.status == ("open",)
    assert second.fixed[0]["first_seen"][:10] == "2025-09-01"
    assert "1er septembre 2025" in follow_up_html(second, frame(2)).replace("\xa0", " ")


def test_a_run_made_again_says_the_same() -> None:
    ledger: dict[str, Any] = {}
    follow(ledger, "x", DAYS[0], frame(1))
    once = follow(ledger, "x", DAYS[1], frame(1, 2))
    follow(ledger, "x", DAYS[2], frame(3))
    assert follow(ledger, "x", DAYS[1], frame(1, 2)) == once


def test_runs_of_a_clock_that_was_ahead_push_none_out() -> None:
    ledger: dict[str, Any] = {}
    for day in range(10, 30):
        follow(ledger, "x", f"2031-01-{day}", frame(1))
    for date, previous in (("2026-01-01", ""), ("2026-01-02", "2026-01-01T00:00:00+00:00")):
        assert follow(ledger, "x", date, frame(1)).previous == previous


def test_runs_are_compared_within_a_scope() -> None:
    args = {"data": "data", "operator": None, "recover": False, **Thresholds().model_dump()}
    same = scope_of("x", args)
    assert same == scope_of(
        "x", {"data": "data", "anchors": ["a"], "signer": "a", "lang": "en", "row_limit": 1}
    )
    assert same not in (scope_of("x", args | {"listing_days": 0}), scope_of("x", args | {"operator": "1"}))
    ledger: dict[str, Any] = {}
    runs = [follow(ledger, scope, DAYS[n], frame(1)) for n, scope in enumerate((same, "other", same))]
    assert [run.status for run in runs] == [("",), ("",), ("open",)]


def test_what_the_inputs_were_is_known_to_later_runs_only() -> None:
    ledger: dict[str, Any] = {}
    for day, size in zip(DAYS, (1, 2, 3), strict=True):
        follow(ledger, "x", day, frame(1))
        note_inputs(ledger, "x", day, {"list": {"size": size}})
    assert [inputs_before(ledger, "x", day).get("list") for day in DAYS] == [None, {"size": 1}, {"size": 2}]
    assert inputs_before(ledger, "y", DAYS[1]) == {}


CHANGED, UNREAD, NO_VERSION = "was changed since it was written", "cannot be read", "does not say its version"
DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "newer": (lambda text: text.replace('"version": 3', '"version": 4'), "is not of version 3, the only one"),
    "edited": (lambda text: text.replace("a.fr", "b.fr"), CHANGED),
    "line ends": (lambda text: text.replace("\n", "\r\n"), CHANGED),
    "cut": (lambda text: text[:-3], UNREAD),
    "empty": (lambda _: "", UNREAD),
    "deep": (lambda _: "[" * 100_000, UNREAD),
    "a list": (lambda _: "[]", NO_VERSION),
    "another state": (lambda _: state_bytes(3, {"points": []}).decode(), "is the state of something else"),
    "of 0.1": (lambda _: '{"[\\"run\\"]": {"first_seen": {}, "runs": {}}}', NO_VERSION),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_ledger_of_another_version_or_changed_is_refused_in_one_line_and_kept(tmp_path, case: str) -> None:
    change, message = DAMAGE[case]
    assert read_ledger(tmp_path) == {}
    ledger: dict = {}
    follow(ledger, "x", DAYS[0], frame(1))
    write_ledger(tmp_path, ledger)
    assert read_ledger(tmp_path) == ledger
    file = tmp_path / "ledger.json"
    content = change(file.read_text()).encode()
    file.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_ledger(tmp_path)
    assert str(refused.value).startswith(f"{file}: {message}")
    assert str(refused.value).endswith(". Put back a copy of it, or remove it to start anew")
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        read_ledger(tmp_path)


def test_reports_say_what_is_new_open_and_unknown(tmp_path: Path) -> None:
    """Between these dates the list gets old: nothing is new or fixed, all is unknown."""

    def report(day: str) -> str:
        settings = {"data": str(CATALOGUE), "as_of": f"{day}T06:00:00Z"}
        run_reports(["dn_consistency"], out=tmp_path, parameters=settings)
        return (tmp_path / "dn_consistency.html").read_text(encoding="utf-8")

    def index() -> str:
        return (tmp_path / "index.html").read_text(encoding="utf-8").replace("\xa0", " ")

    before = report("2026-03-03")
    assert "Depuis le rapport précédent" not in before
    assert "Depuis la situation" not in index()
    assert "Depuis le rapport précédent" in report("2026-03-13")
    results = json.loads((tmp_path / "dn_consistency.results.json").read_text(encoding="utf-8"))
    since = results["since_previous"]
    assert since["previous"] == "2026-03-03T06:00:00+00:00"
    assert (since["new"], since["open"], since["fixed"]) == (0, 0, 0)
    assert since["unknown"] >= results["counts"]["findings"] > 0
    assert {state["name"]: state["state"] for state in results["inputs"]}["list"] == "stale"
    assert "inputs" not in results["provenance"]
    assert f"{since['unknown']} constats dont l’état est inconnu" in index()
    findings = pd.read_csv(tmp_path / "dn_consistency.findings.csv", encoding="utf-8-sig")
    assert set(findings["status"]) == {"unknown"}
    assert report("2026-03-03") == before
    newer = state_bytes(99, {"scopes": {}})  # a later version's, at which reports stop
    (tmp_path / "ledger.json").write_bytes(newer)
    with pytest.raises(InputError, match="is not of version"):
        report("2026-03-03")
    assert (tmp_path / "ledger.json").read_bytes() == newer


COUNTS = {"critical": 1, "error": 2, "warning": 3, "info": 4}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "trend.json"


def test_points_come_back_in_order_of_time_and_a_run_made_again_replaces_its_own(file):
    assert read_trend(file) == ()
    late = TrendPoint("2026-03-02T06:00:00+00:00", COUNTS, new=1, open=9, fixed=2, waived=3)
    early = TrendPoint("2026-03-01T06:00:00+00:00", COUNTS, open=10)
    add_point(file, late)
    assert add_point(file, early) == (early, late) == read_trend(file)
    assert add_point(file, replace(late, at="2026-03-02T07:00:00+01:00", open=6)) == (
        early, replace(late, open=6),
    )  # fmt: skip


def test_a_trend_of_another_version_or_damaged_is_refused_and_kept(file):
    add_point(file, TrendPoint("2026-03-02", COUNTS, open=10))
    good = file.read_text()
    newer, edited = good.replace('"version": 1', '"version": 2'), good.replace('"open": 10', '"open": 11')
    for content in (newer, edited, "", "[]", "{}"):
        assert content != good
        file.write_text(content)
        for use in (lambda: read_trend(file), lambda: add_point(file, TrendPoint("2026-03-02", COUNTS))):
            with pytest.raises(InputError, match=r"trend\.json"):
                use()
        assert file.read_text() == content


def test_the_point_of_a_run_counts_what_it_found(sample_space):
    as_of, findings, ledger = sample_space.as_of, audit_all(sample_space), {}
    follow(ledger, "run", "2026-03-02", findings.iloc[2:])
    run = follow(ledger, "run", as_of.isoformat(), findings.iloc[1:])
    point = point_of(as_of, findings.iloc[1:], findings.head(3), run)
    assert (point.new, point.open, point.fixed, point.waived) == (1, len(findings) - 2, 0, 3)
    assert sum(point.counts.values()) == len(findings) - 1
    assert list(point.counts) == ["critical", "error", "warning", "info"]
    first = point_of(as_of, findings, pd.DataFrame(), None)
    assert (first.new, first.open, first.fixed) == (0, len(findings), 0)
