"""Letters that went out: what became of what each told, whom to remind; how long findings are open."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import toml
from typer.testing import CliRunner

import mssante_audit as ms
import mssante_audit.nightly.letters as times_module
from mssante_audit.base import instants
from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.inputs import State
from mssante_audit.base.instants import stamp_of
from mssante_audit.base.state import write_state
from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.letters import FILE, note_sent, read_letters, reminders, standings
from mssante_audit.nightly.night import Result, Run

CASES = toml("nightly/letters")
OPERATOR = "399900000300015"
FIRST = datetime(2026, 3, 3, 6, tzinfo=UTC)


@pytest.fixture
def quarter(place):
    """A place with settings and a letter of 3 March to `OPERATOR` that told a, b and c."""
    letter = {"sent_on": "2026-03-03", "run": stamp_of(FIRST), "told": ["a", "b", "c"]}
    (place.output / "state").mkdir(parents=True)
    write_state(place.output / "state" / FILE, 1, {"letters": {OPERATOR: letter}})
    return place


def night(place, days: int, found: str = "", **more: Any) -> Path:
    """Write down a run so many days after the first, in which findings were found, and some are unknown.

    a to e were first seen in the first, others on the fifth day.
    """
    at, fifth = FIRST + timedelta(days), FIRST + timedelta(5)
    folder = place.output / "runs" / stamp_of(at)
    (folder / "steps").mkdir(parents=True)
    run = Run(stamp=folder.name, as_of=at.isoformat(), status=more.get("status", "finished"))
    inputs = (State("list", more.get("state", "ok"), 1),)
    result = Result(step="audit", outcome=more.get("outcome", "done"), inputs=inputs)
    unsure = more.get("unsure", "")
    named = {why: [{"fingerprint": key} for key in more.get(why, "")] for why in ("waived", "lost")}
    first_seen = [(FIRST if key in "abcde" else min(at, fifth)).isoformat() for key in found + unsure]
    audit = {
        "results": {"findings": [{"fingerprint": key} for key in found + unsure]},
        "waived": named["waived"],
        "told": {
            "status": ["open"] * len(found) + ["unknown"] * len(unsure), "unknown": named["lost"],
            "first_seen": first_seen,
        },
    }  # fmt: skip
    for name, content in (("run", run.model_dump()), ("steps/audit", result.model_dump()), ("audit", audit)):
        (folder / f"{name}.json").write_bytes(json_bytes(content))
    return folder


def standing(place, as_of: str | None = None) -> tuple[int, int, int, int, bool]:
    (row,) = standings(load_config(place.folder / "audit.toml"), as_of)
    return tuple(row[name] for name in ("told", "fixed", "open", "unknown", "due"))


@pytest.mark.parametrize("case", CASES["standing"])
def test_what_was_told_is_fixed_open_or_unknown(quarter, settings, case) -> None:
    settings(letter={"remind_after_days": case.get("after", 30)})
    for days, options in case.get("nights", {}).items():
        night(quarter, int(days), **options)
    assert standing(quarter, case.get("as_of")) == tuple(case["expected"])


def test_the_commands_say_it_in_json_and_in_lines(quarter) -> None:
    night(quarter, 40, "a", lost="b")
    config = ["--config", str(quarter.folder / "audit.toml")]

    def said(*words: str) -> str:
        done = CliRunner().invoke(app, ["letters", *words, *config])
        assert done.exception is None, done.exception
        return done.stdout

    entry = {"operator_id": OPERATOR, "sent_on": "2026-03-03", "told": 3, "fixed": 1, "open": 1, "unknown": 1}
    (status,), (due,) = (json.loads(said(name, "--format", "json")) for name in ("status", "due"))
    assert status == due == entry | {"due": True}
    assert json.loads(said("due", "--as-of", "2026-03-20", "--format", "json")) == []
    assert said("due", "--as-of", "2026-03-20") == "nobody is to be reminded\n"
    assert said("status", OPERATOR).endswith("3 told, 1 fixed, 1 open, 1 unknown; remind\n")
    done = CliRunner().invoke(app, ["letters", "status", "1010000001", *config])
    assert isinstance(done.exception, InputError)
    assert "no letter to '1010000001' was noted" in str(done.exception)


def test_a_run_at_work_counts_for_its_own_dossiers(quarter) -> None:
    night(quarter, 0, "abc")
    current = night(quarter, 31, "b", lost="a", status="running")
    asked = load_config(quarter.folder / "audit.toml"), (FIRST + timedelta(days=31)).isoformat(), current
    assert reminders(*asked) == {OPERATOR: ("2026-03-03", {"a": "unknown", "b": "open", "c": "fixed"})}
    (current / "audit.json").unlink()  # its audit died
    assert reminders(*asked) == {OPERATOR: ("2026-03-03", dict.fromkeys("abc", "open"))}


@pytest.mark.parametrize("fault", ["is not of version 1", "was changed"])
def test_a_state_of_another_version_or_digest_is_refused_and_stays(quarter, fault) -> None:
    file = quarter.output / "state" / FILE
    if fault == "was changed":
        file.write_bytes(file.read_bytes().replace(b"2026-03-03", b"2025-03-03"))
    else:
        write_state(file, 2, {"letters": {}})
    before = file.read_bytes()
    for command in (lambda: standing(quarter), quarter.play):
        with pytest.raises(InputError, match=fault):
            command()
    assert file.read_bytes() == before


def test_after_midnight_in_paris_the_day_is_the_new_one(monkeypatch) -> None:
    night = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    monkeypatch.setattr(instants, "datetime", SimpleNamespace(now=night.astimezone))
    assert instants.paris_day() == date(2026, 3, 3)


def test_a_letter_is_noted_with_what_the_dossier_told_and_the_next_says_it_is_a_reminder(
    place, settings, monkeypatch
):
    settings(letter={"remind_after_days": 1}, dossiers={"enabled": True, "operators": [OPERATOR]})
    assert place.play(pages=False)[0] == 0
    config = load_config(place.folder / "audit.toml")
    to_come = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    for words, error in ((["nobody of that name"], UnknownNameError), ([OPERATOR, to_come], InputError)):
        with pytest.raises(error):
            note_sent(config, *words)
    monkeypatch.setattr(times_module, "paris_day", lambda: date(2026, 3, 4))
    assert note_sent(config, OPERATOR)[1]["sent_on"] == "2026-03-04"
    operator_id, sent = note_sent(config, OPERATOR, "2026-03-03")
    assert (operator_id, len(sent["told"]) > 0) == (OPERATOR, True)
    assert read_letters(place.output) == {OPERATOR: sent}
    assert "@" not in (place.output / "state" / FILE).read_text(encoding="utf-8")
    assert standing(place) == (len(sent["told"]), 0, len(sent["told"]), 0, False)
    _, mail, _ = place.play("2026-03-04T06:00:00Z", pages=False)
    assert standing(place)[-1]
    assert f"LETTERS to send again: 1 operator ({OPERATOR})" in " ".join(mail.split())
    summary = json.loads((place.runs[-1] / "summary.json").read_text(encoding="utf-8"))
    assert summary["reminders"] == [OPERATOR]
    for suffix in ("txt", "html"):
        text = (place.runs[-1] / "dossiers" / f"{OPERATOR}.{suffix}").read_text(encoding="utf-8")
        assert "Rappel de notre lettre du 3 mars 2026" in " ".join(text.replace("\xa0", " ").split())


def watched(*rows: tuple[float, float, bool], by_letter: bool = False) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["entry", "most", "fixed"])
    return frame.assign(least=frame["most"] - 1, told=by_letter, rule="R", operator_id="1", fingerprint="x")


def still_open(times: pd.DataFrame) -> pd.DataFrame:
    return ms.survival(*(times[name].tolist() for name in ("least", "most", "fixed", "entry")))


def test_who_comes_late_is_watched_from_then_on() -> None:
    findings = watched((0, 5, True), (4, 9, True), (6, 9, False)).assign(least=[5, 9, 9])
    curve = still_open(findings).set_index("day")
    assert curve.loc[[5, 9], "at_risk"].tolist() == [2, 2]
    assert curve.loc[[5, 9], "early"].tolist() == curve.loc[[5, 9], "late"].tolist() == [0.5, 0.25]
    assert still_open(findings.head(0)).empty


def test_too_few_are_only_counted() -> None:
    few, many = watched(*[(0, 4, True)] * 9), watched(*[(0, 4, True)] * 10, by_letter=True)
    groups = ms.fixed_by(pd.concat([few, many]), "rule").set_index("told")
    assert groups[["findings", "fixed"]].to_numpy().tolist() == [[9, 9], [10, 10]]
    assert np.isnan(groups.loc[False, "most"])
    assert groups.loc[True, ["least", "most"]].tolist() == [3, 4]


def test_the_chart_says_what_it_draws() -> None:
    curve = still_open(watched((0, 5, True), (0, 9, False)))
    chart = ms.steps({"non dits": curve, "dits": curve.head(0)}, title="Part")
    assert "non dits\xa0: 50\u202f% encore ouverts après 8" in chart.alt
    assert "encore ouverts après 8" in str(chart.html()).partition("<svg")[2]


def test_only_the_newest_nights_are_read(place, monkeypatch) -> None:
    monkeypatch.setattr(times_module, "NIGHTS", 2)
    for days, keys in enumerate(("a", "ab", "b")):
        night(place, days, keys)
    times = ms.times_to_fix(place.output).set_index("fingerprint")
    assert times["entry"].to_dict() == {"a": 1, "b": 1}
    assert times["fixed"].to_dict() == {"a": True, "b": False}


def test_nights_bound_when_a_finding_was_fixed(place) -> None:
    output, case = place.output, CASES["times"]
    letter = {"sent_on": "2026-03-13", "run": "x", "told": ["a", "b", "f"]}
    (output / "state").mkdir(parents=True)
    write_state(output / "state" / FILE, 1, {"letters": {"1": letter}})
    for days, options in case["nights"].items():
        night(place, int(days), **options)
    times = ms.times_to_fix(output).set_index("fingerprint").round(2)
    for after, part in times.groupby("told"):
        watched = part[["entry", "least", "most", "fixed"]].T.to_dict("list")
        assert watched == case["after" if after else "before"]
    assert times["told"].nunique() == 2
    assert ms.times_to_fix(None).empty
