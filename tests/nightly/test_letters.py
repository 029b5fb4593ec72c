"""Letters that went out: what each told, what became of it, whom to remind."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.state import write_state
from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.letters import FILE, note_sent, read_letters, reminders, standings
from mssante_audit.nightly.night import Result, Run, stamp_of
from mssante_audit.space.states import State

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
    """Write down a run so many days after the first, in which findings were found, and some are unknown."""
    at = FIRST + timedelta(days=days)
    folder = place.output / "runs" / stamp_of(at)
    (folder / "steps").mkdir(parents=True)
    run = Run(stamp=folder.name, as_of=at.isoformat(), status=more.get("status", "finished"))
    (folder / "run.json").write_bytes(json_bytes(run.model_dump()))
    inputs = (State("list", more.get("state", "ok"), 1),)
    result = Result(step="audit", outcome=more.get("outcome", "done"), inputs=inputs)
    (folder / "steps" / "audit.json").write_bytes(json_bytes(result.model_dump()))
    unsure = more.get("unsure", "")
    audit = {
        "results": {"findings": [{"fingerprint": key} for key in found + unsure]},
        "waived": [{"fingerprint": key} for key in more.get("waived", "")],
        "told": {
            "status": ["open"] * len(found) + ["unknown"] * len(unsure),
            "unknown": [{"fingerprint": key} for key in more.get("lost", "")],
        },
    }
    (folder / "audit.json").write_bytes(json_bytes(audit))
    return folder


def standing(place, as_of: str | None = None) -> tuple[int, int, int, int, bool]:
    (found,) = standings(load_config(place.folder / "audit.toml"), as_of)
    return tuple(found[name] for name in ("told", "fixed", "open", "unknown", "due"))


@pytest.mark.parametrize(
    ("days", "how", "expected"),
    [
        (1, {"found": "abcd"}, (3, 0, 3, 0, False)),  # too early
        (29, {"found": "abc"}, (3, 0, 3, 0, False)),
        (30, {"found": "abc"}, (3, 0, 3, 0, True)),
        (60, {"found": "c"}, (3, 2, 1, 0, True)),
        (60, {"found": ""}, (3, 3, 0, 0, False)),  # all fixed
        (60, {"found": "xyz"}, (3, 3, 0, 0, False)),  # what came later was not told
        (60, {"found": "", "lost": "abc"}, (3, 0, 0, 3, False)),  # gone with its input: not fixed
        (60, {"found": "a", "lost": "bc"}, (3, 0, 1, 2, True)),
        (60, {"found": "", "unsure": "ab"}, (3, 1, 0, 2, False)),
        (60, {"found": "", "waived": "abc"}, (3, 0, 0, 0, False)),  # accepted: neither open nor fixed
    ],
)
def test_what_was_told_is_fixed_open_or_unknown(quarter, days, how, expected) -> None:
    night(quarter, 0, "abc")
    night(quarter, days, **how)
    assert standing(quarter) == expected


def test_what_is_back_reminds_again(quarter) -> None:
    for days, found in ((0, "abc"), (40, ""), (50, "a")):
        night(quarter, days, found)
    assert standing(quarter, "2026-04-15T00:00:00Z") == (3, 3, 0, 0, False)
    assert standing(quarter) == (3, 2, 1, 0, True)


@pytest.mark.parametrize("how", [{"state": "unsigned"}, {"outcome": "failed"}, {"status": "abandoned"}])
def test_a_run_that_is_not_well_says_nothing(quarter, how) -> None:
    night(quarter, 35, "ab")
    night(quarter, 40, "", **how)
    assert standing(quarter, "2026-04-12T06:00:00Z") == (3, 1, 2, 0, True)


def test_without_a_run_that_is_well_all_is_unknown(quarter) -> None:
    assert standing(quarter, "2026-09-01") == (3, 0, 0, 3, False)
    night(quarter, 60, "abc", state="shrunk")
    assert standing(quarter) == (3, 0, 0, 3, False)


def test_the_settings_say_after_how_many_days(quarter, settings) -> None:
    night(quarter, 8, "a")
    assert not standing(quarter)[-1]
    settings(letter={"remind_after_days": 8})
    assert standing(quarter)[-1]


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
    assert list(status) == [*entry, "due"]
    assert json.loads(said("due", "--as-of", "2026-03-20", "--format", "json")) == []
    assert said("due", "--as-of", "2026-03-20") == "nobody is to be reminded\n"
    assert said("status", OPERATOR).endswith("3 told, 1 fixed, 1 open, 1 unknown; remind\n")
    done = CliRunner().invoke(app, ["letters", "status", "1010000001", *config])
    assert isinstance(done.exception, InputError)
    assert "no letter to '1010000001' was noted" in str(done.exception)


def test_a_run_at_work_counts_for_its_own_dossiers(quarter) -> None:
    night(quarter, 0, "abc")
    current = night(quarter, 31, "b", lost="a", status="running")
    config = load_config(quarter.folder / "audit.toml")
    due = reminders(config, (FIRST + timedelta(days=31)).isoformat(), current)
    assert due == {OPERATOR: ("2026-03-03", {"a": "unknown", "b": "open", "c": "fixed"})}


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


def test_a_letter_is_noted_with_what_the_dossier_told_and_the_next_says_it_is_a_reminder(place, settings):
    wanted = {"letter": {"remind_after_days": 1}, "dossiers": {"enabled": True, "operators": [OPERATOR]}}
    settings(**wanted)
    assert place.play(pages=False)[0] == 0
    config = load_config(place.folder / "audit.toml")
    with pytest.raises(UnknownNameError):
        note_sent(config, "nobody of that name")
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    with pytest.raises(InputError, match="is to come"):
        note_sent(config, OPERATOR, f"{tomorrow:%Y-%m-%d}")
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
