"""Instants at the ends of the calendar: those of a row are unreadable there, one asked about is refused."""

import random
from pathlib import Path

import pytest
from made_up import xml_of

from mssante_audit.audits import FAILED, audit_all
from mssante_audit.space.trust import load_space

BEYOND = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0000-12-31T00:00:00Z")
FAR = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1899-12-31T23:59:59Z", "3000-01-01T00:00:00Z")
AT = "2026-03-03T06:00:00Z"


def written(folder: Path, dates: list[str], made: str = "2026-03-02T05:30:00Z") -> Path:
    rows = ({"domain": f"ch-{n}.mssante.fr", "updated_at_text": date} for n, date in enumerate(dates))
    (folder / "list.xml").write_bytes(xml_of(*rows, generated=made))
    return folder


@pytest.mark.parametrize("text", BEYOND + FAR)
def test_a_row_whose_date_is_far_away_costs_no_rule(text, tmp_path):
    drawn = random.Random(text)
    usual = [f"2025-0{drawn.randint(1, 9)}-11T10:00:00Z" for _ in range(30)]
    dates = [text, *(text if drawn.random() < 0.4 else date for date in usual)]
    space = load_space(written(tmp_path, dates), as_of=AT)
    assert FAILED not in set(audit_all(space)["rule"])
    problems = space.whitelist.problems
    unread = set(problems.loc[problems["kind"] == "date", "row"])
    assert unread == {n for n, date in enumerate(dates, 1) if date in BEYOND}


@pytest.mark.parametrize("text", BEYOND + FAR)
def test_a_list_generated_far_away_is_read(text, tmp_path, run):
    done = run("findings", "all", "--data", written(tmp_path, [AT], text), "--as-of", AT)
    assert done.returncode == 0, done.stderr
    assert "not evaluated: audit" not in done.stderr


@pytest.mark.parametrize("text", BEYOND + FAR)
@pytest.mark.parametrize("command", ["findings all", "domains", "check ch-0.mssante.fr", "snapshot out"])
def test_an_instant_asked_about_far_away_is_refused_in_one_line(command, text, tmp_path, monkeypatch, run):
    monkeypatch.chdir(written(tmp_path, [AT]))
    done = run(*command.split(), "--data", ".", "--as-of", text)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "as_of" in line
    assert "is not a date" in line or "is too far away" in line


@pytest.mark.parametrize("text", ["", " "])
@pytest.mark.parametrize("command", [
    "verify list.xml --at", "letters due --as-of", "letters status --as-of", "letters sent x --on",
    "findings all --data . --as-of", "run --as-of",
])  # fmt: skip
def test_an_instant_that_is_empty_is_refused_in_one_line(command, text, tmp_path, monkeypatch, run):
    monkeypatch.chdir(written(tmp_path, [AT]))
    Path("audit.toml").write_text('data.folder = "."\noutput.folder = "out"\n', encoding="utf-8")
    done = run(*command.split(), text)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
