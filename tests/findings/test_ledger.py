"""What earlier runs found: new, still open, fixed; in the page, the CSV and the summary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import CATALOGUE
from made_findings import framed, made

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
from mssante_audit.report.findings import follow_up_html
from mssante_audit.report.run import run_reports

ENTRIES = pd.DataFrame(
    {
        "row": [1, 2, 3],
        "domain": ["a.fr", "b.fr", "c.fr"],
        "operator_id": ["1", "1", "2"],
        "operator": ["A", "A", "B"],
    }
)
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")


def frame(*rows: int) -> pd.DataFrame:
    return framed([made("DN_SHAPE", (row,), observed=f"row {row}") for row in rows], ENTRIES)


def test_new_open_and_fixed() -> None:
    ledger: dict = {}
    first = follow(ledger, "x", DAYS[0], frame(1, 2))
    assert (first.previous, first.status, first.fixed) == ("", ("", ""), ())
    assert follow_up_html(first, frame(1, 2)) == ""
    second = follow(ledger, "x", DAYS[1], frame(2, 3))
    assert second.status == ("open", "new")
    assert [day[:10] for day in second.first_seen] == ["2026-01-01", "2026-01-02"]
    assert [f["domain"] for f in second.fixed] == ["a.fr"]
    html = follow_up_html(second, frame(2, 3)).replace("\xa0", " ")
    assert "Depuis la situation du 1er janvier 2026 : 1 nouveau constat, 1 constat encore" in html
    assert "et 1 constat réglé." in html
    assert "1er janvier 2026" in html
    assert "encore ouvert (le plus ancien depuis le 1er janvier 2026)" in html


def test_an_archived_list_may_show_a_finding_before_any_run() -> None:
    ledger: dict = {}
    listed = frame(1, 2).assign(first_seen=["2025-09-01T05:30:00+00:00", ""])
    first = follow(ledger, "x", DAYS[0], listed)
    assert [day[:10] for day in first.first_seen] == ["2025-09-01", "2026-01-01"]
    second = follow(ledger, "x", DAYS[1], frame(2))
    assert second.status == ("open",)
    assert second.fixed[0]["first_seen"][:10] == "2025-09-01"
    assert "1er septembre 2025" in follow_up_html(second, frame(2)).replace("\xa0", " ")


def test_a_run_made_again_says_the_same() -> None:
    ledger: dict = {}
    follow(ledger, "x", DAYS[0], frame(1))
    once = follow(ledger, "x", DAYS[1], frame(1, 2))
    follow(ledger, "x", DAYS[2], frame(3))
    assert follow(ledger, "x", DAYS[1], frame(1, 2)) == once


DOUBT = ("dn_consistency",)


@pytest.mark.parametrize(
    ("runs", "since"),
    [
        # A finding that is back is new, and keeps its first date.
        ([((1,), (), ("",)), ((), (), ()), ((1,), (), ("new",))], 0),
        # What is found in doubt is unknown, and new once somebody can vouch for it.
        ([((1,), (), ("",)), ((1, 2), DOUBT, ("unknown",) * 2), ((1, 2), (), ("open", "new"))], 0),
        # What was seen in doubt only is not fixed by going.
        ([((1,), (), ("",)), ((1, 2), DOUBT, ("unknown",) * 2), ((1,), (), ("open",))], 0),
        # A first run in doubt is none.
        ([((1,), DOUBT, ("unknown",)), ((1,), (), ("",))], 1),
    ],
)
def test_runs_one_after_another(runs: list[Any], since: int) -> None:
    ledger: dict[str, Any] = {}
    for day, (rows, unsure, status) in zip(DAYS, runs, strict=False):
        told = follow(ledger, "x", day, frame(*rows), unsure)
        assert (told.status, told.unknown) == (status, ())
        if unsure:
            assert told.first_seen[-1].startswith(day)
            assert ("inconnu" in follow_up_html(told, frame(*rows))) == bool(told.previous)
    assert (told.fixed, told.counts()["unknown"]) == ((), 0)
    assert told.first_seen[0].startswith(DAYS[since])


def test_runs_with_other_parameters_are_not_compared() -> None:
    ledger: dict = {}
    base = {"operator": None, "as_of": "a", "row_limit": 1}
    follow(ledger, scope_of("x", base), DAYS[0], frame(1))
    other = follow(ledger, scope_of("x", {**base, "operator": "1"}), DAYS[1], frame(1))
    assert other.previous == ""
    same = follow(ledger, scope_of("x", {**base, "as_of": "b", "row_limit": 2}), DAYS[1], frame(1))
    assert same.status == ("open",)


def test_parameters_at_their_defaults_make_no_scope_of_their_own() -> None:
    given = {"data": "data", "operator": None, "recover": False, **Thresholds().model_dump()}
    assert scope_of("x", given) == scope_of("x", {"data": "data", "anchors": ["a"], "lang": "en"})
    assert scope_of("x", given) != scope_of("x", {**given, "listing_days": 0})


def test_what_could_not_be_evaluated_is_neither_fixed_nor_new_once_it_can_be_again() -> None:
    ledger: dict[str, Any] = {}
    failed = Finding(FAILED, ("dn_consistency", "x"), facts={"audit": "dn_consistency"})
    row = made("LIST_ROW_DUPLICATE", (3,))
    follow(ledger, "x", DAYS[0], framed([made("DN_SHAPE", (1,), observed="row 1"), row], ENTRIES))
    dark = follow(ledger, "x", DAYS[1], findings_frame([failed], ENTRIES))
    assert dark.status == ("unknown",)  # what failed is this program
    assert [f["rule"] for f in dark.fixed] == ["LIST_ROW_DUPLICATE"]  # another audit's, which was made
    light = follow(ledger, "x", DAYS[2], frame(1))
    assert (light.status, light.first_seen[0][:10]) == (("open",), DAYS[0])
    assert light.fixed == ()


def test_what_lacked_its_input_is_neither_fixed_nor_new_afterwards() -> None:
    ledger: dict[str, Any] = {}
    row = made("LIST_ROW_DUPLICATE", (3,))
    follow(ledger, "x", DAYS[0], framed([made("DN_SHAPE", (1,), observed="row 1"), row], ENTRIES))
    dark = follow(ledger, "x", DAYS[1], framed([], ENTRIES), ["dn_consistency"])
    assert [f["rule"] for f in dark.fixed] == ["LIST_ROW_DUPLICATE"]
    assert [(f["rule"], f["first_seen"][:10]) for f in dark.unknown] == [("DN_SHAPE", DAYS[0])]
    assert dark.counts() == {"new": 0, "open": 0, "fixed": 1, "unknown": 1}
    light = follow(ledger, "x", DAYS[2], frame(1))
    assert (light.status, light.first_seen[0][:10]) == (("open",), DAYS[0])


def test_an_accepted_finding_is_neither_fixed_nor_new_when_it_no_longer_is() -> None:
    ledger: dict[str, Any] = {}
    follow(ledger, "x", DAYS[0], frame(1, 2))
    accepted = follow(ledger, "x", DAYS[1], frame(2), waived=frame(1))
    assert (accepted.status, accepted.fixed) == (("open",), ())
    assert follow(ledger, "x", DAYS[2], frame(1, 2)).status == ("open", "open")
    gone = follow(ledger, "x", DAYS[2], frame(2))
    assert gone.fixed == (), "nothing was said of it"


def test_what_the_inputs_were_is_known_to_later_runs_only() -> None:
    ledger: dict[str, Any] = {}
    for day, size in zip(DAYS, (1, 2, 3), strict=True):
        follow(ledger, "x", day, frame(1))
        note_inputs(ledger, "x", day, {"list": {"size": size}})
    assert [inputs_before(ledger, "x", day).get("list") for day in DAYS] == [None, {"size": 1}, {"size": 2}]
    assert inputs_before(ledger, "y", DAYS[1]) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"version": 3', '"version": 4'), "is not of version 3, the only one that"),
        (lambda text: text.replace("a.fr", "b.fr"), "was changed since it was written"),
        (lambda text: text.replace("\n", "\r\n"), "was changed since it was written"),
        (lambda text: text[:-3], "cannot be read"),
        (lambda _: "", "cannot be read"),
        (lambda _: "[" * 100_000, "cannot be read"),
        (lambda _: "[]", "does not say its version"),
        (lambda _: '{"[\\"run\\"]": {"first_seen": {}, "runs": {}}}', "does not say its version"),
    ],
    ids=["newer", "edited", "line ends", "cut", "empty", "deep", "a list", "of 0.1"],
)  # fmt: skip
def test_a_ledger_of_another_version_or_changed_is_refused_in_one_line_and_kept(
    tmp_path: Path, change: Any, said: str
) -> None:
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
    assert str(refused.value).startswith(f"{file}: {said}")
    assert str(refused.value).endswith(". Put back a copy of it, or remove it to start anew")
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content


def test_reports_say_what_is_new_open_and_unknown(tmp_path: Path) -> None:
    """Between these dates the list gets old: nothing is new or fixed, all is unknown."""
    given = {"data": str(CATALOGUE)}
    run_reports(["dn_consistency"], out=tmp_path, parameters={**given, "as_of": "2026-03-03T06:00:00Z"})
    before = (tmp_path / "dn_consistency.html").read_bytes()
    assert "Depuis le rapport précédent" not in before.decode()
    assert "Depuis la situation" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    run_reports(["dn_consistency"], out=tmp_path, parameters={**given, "as_of": "2026-03-13T06:00:00Z"})
    after = (tmp_path / "dn_consistency.html").read_text(encoding="utf-8")
    assert "Depuis le rapport précédent" in after
    told = json.loads((tmp_path / "dn_consistency.results.json").read_text(encoding="utf-8"))
    since = told["since_previous"]
    assert since["previous"] == "2026-03-03T06:00:00+00:00"
    assert (since["new"], since["open"], since["fixed"]) == (0, 0, 0)
    assert since["unknown"] >= told["counts"]["findings"] > 0
    assert {one["name"]: one["state"] for one in told["inputs"]}["list"] == "stale"
    assert "inputs" not in told["provenance"]
    index = (tmp_path / "index.html").read_text(encoding="utf-8").replace("\xa0", " ")
    assert f"{since['unknown']} constats dont l’état est inconnu" in index
    frame = pd.read_csv(tmp_path / "dn_consistency.findings.csv", encoding="utf-8-sig")
    assert set(frame["status"]) == {"unknown"}
    run_reports(["dn_consistency"], out=tmp_path, parameters={**given, "as_of": "2026-03-03T06:00:00Z"})
    assert (tmp_path / "dn_consistency.html").read_bytes() == before
    newer = state_bytes(99, {"scopes": {}})  # a later version's, at which reports stop
    (tmp_path / "ledger.json").write_bytes(newer)
    with pytest.raises(InputError, match="is not of version"):
        run_reports(["dn_consistency"], out=tmp_path, parameters={**given, "as_of": "2026-03-03T06:00:00Z"})
    assert (tmp_path / "ledger.json").read_bytes() == newer
