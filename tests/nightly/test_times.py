"""How long findings are open, told by a letter or not: against numbers worked out by hand."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_letters import FIRST, night

import mssante_audit as ms
import mssante_audit.nightly.letters as times_module
from mssante_audit.base.state import write_state
from mssante_audit.nightly.letters import FILE


def watched(*rows: tuple[float, float, bool], told: bool = False) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["entry", "most", "fixed"])
    return frame.assign(least=frame["most"] - 1, told=told, rule="R", operator_id="1", fingerprint="x")


def still_open(times: pd.DataFrame) -> pd.DataFrame:
    return ms.survival(*(times[name].tolist() for name in ("least", "most", "fixed", "entry")))


def test_who_comes_late_is_watched_from_then_on() -> None:
    found = watched((0, 5, True), (4, 9, True), (6, 9, False)).assign(least=[5, 9, 9])
    curve = still_open(found).set_index("day")
    assert curve.loc[[5, 9], "at_risk"].tolist() == [2, 2]
    assert curve.loc[[5, 9], "early"].tolist() == curve.loc[[5, 9], "late"].tolist() == [0.5, 0.25]
    assert still_open(found.head(0)).empty


def test_too_few_are_only_counted() -> None:
    few, many = watched(*[(0, 4, True)] * 9), watched(*[(0, 4, True)] * 10, told=True)
    found = ms.fixed_by(pd.concat([few, many]), "rule").set_index("told")
    assert found[["findings", "fixed"]].to_numpy().tolist() == [[9, 9], [10, 10]]
    assert np.isnan(found.loc[False, "most"])
    assert found.loc[True, ["least", "most"]].tolist() == [3, 4]


def test_only_the_newest_nights_are_read(place: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times_module, "NIGHTS", 2)
    for days, found in enumerate(("a", "ab", "b")):
        audit = night(place, days, found=found) / "audit.json"
        made = json.loads(audit.read_bytes())
        made["told"]["first_seen"] = [FIRST.isoformat()] * len(found)
        audit.write_text(json.dumps(made))
    times = ms.times_to_fix(place.output).set_index("fingerprint")  # type: ignore[attr-defined]
    assert times["entry"].to_dict() == {"a": 1, "b": 1}
    assert times["fixed"].to_dict() == {"a": True, "b": False}


def test_nights_bound_when_a_finding_was_fixed(place: object) -> None:
    output: Path = place.output  # type: ignore[attr-defined]
    letter = {"sent_on": "2026-03-13", "run": "x", "told": ["a", "b", "f"]}
    (output / "state").mkdir(parents=True)
    write_state(output / "state" / FILE, 1, {"letters": {"1": letter}})
    nights = {
        0: {"found": "abcde"}, 5: {"found": "abcdeg"}, 8: {"found": "", "state": "damaged"},
        20: {"found": "bdgf", "lost": "c", "waived": "e"}, 30: {"found": "dg"}, 40: {"found": "bd"},
    }  # fmt: skip
    for days, how in nights.items():
        folder = night(place, days, **how)
        made = json.loads((folder / "audit.json").read_bytes())
        first = min((FIRST + timedelta(days)).isoformat(), "2026-03-08T06:00:00+00:00")
        made["told"]["first_seen"] = [FIRST.isoformat() if f["fingerprint"] in "abcde" else first
                                      for f in made["results"]["findings"]]  # fmt: skip
        (folder / "audit.json").write_bytes(json.dumps(made).encode())
    times = ms.times_to_fix(output).set_index(["fingerprint", "told"]).round(2)
    sent = 9.75  # days from the first night to the morning of the letter
    expected = {
        ("a", False): (0, sent, sent, False), ("a", True): (sent, sent, 20, True),
        ("b", False): (0, sent, sent, False), ("b", True): (sent, 20, 30, True),  # its return is not watched
        ("c", False): (0, 5, 30, True),  # unknown in between
        ("d", False): (0, 40, 40, False), ("e", False): (0, 5, 5, False),
        ("g", False): (0, 25, 35, True), ("f", True): (15, 15, 25, True),
    }  # fmt: skip
    columns = ["entry", "least", "most", "fixed"]
    assert {key: tuple(times.loc[key, columns]) for key in times.index} == expected
    assert ms.times_to_fix(None).empty


def test_the_chart_says_what_it_draws() -> None:
    curve = still_open(watched((0, 5, True), (0, 9, False)))
    chart = ms.steps({"non dits": curve, "dits": curve.head(0)}, title="Part")
    assert "non dits\xa0: 50\u202f% encore ouverts après 8" in chart.alt
    assert "encore ouverts après 8" in str(chart.html()).partition("<svg")[2]
