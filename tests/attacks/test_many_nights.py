"""Ten years of nights, all kept: what a command reads of them is bounded."""

from __future__ import annotations

import builtins
import gzip
import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import pytest
from commands import Done
from conftest import CATALOGUE

from mssante_audit.base.state import state_bytes
from mssante_audit.nightly.night import Result, Run, stamp_of
from mssante_audit.nightly.retention import outdated
from mssante_audit.nightly.settings import Retention

NIGHTS, MOST = 3650, 450
LAST = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an observation and an output folder with a run of each night."""
    place = tmp_path_factory.mktemp("nights")
    data, output = place / "data", place / "out"
    for folder in (data / "observations", output / "runs", output / "state"):
        folder.mkdir(parents=True)
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), data / "list.xml.gz")
    audited = Result(step="audit", outcome="done").model_dump_json()
    made = json.dumps({"results": {"findings": []}, "waived": [], "told": {"unknown": [], "status": []}})
    for night in range(NIGHTS):
        at = LAST - timedelta(night)
        head = json.dumps({"format": "mssante-audit dns observation", "at": at.isoformat()})
        stamp = stamp_of(at)
        (data / "observations" / f"dns-{stamp}.jsonl.gz").write_bytes(gzip.compress(f"{head}\n".encode()))
        (steps := output / "runs" / stamp / "steps").mkdir(parents=True)
        run = Run(stamp=stamp, as_of=at.isoformat(), status="finished", exit_status=0, good=stamp)
        (steps.parent / "run.json").write_text(run.model_dump_json())
        (steps / "audit.json").write_text(audited)
        (steps.parent / "audit.json").write_text(made)
    copy(output / "runs" / stamp_of(LAST) / "run.json", output / "state" / "run.json")
    letter = {"sent_on": "2026-01-05", "run": stamp_of(LAST), "told": ["0" * 16]}
    (output / "state" / "letters.json").write_bytes(state_bytes(1, {"letters": {"1759900001": letter}}))
    (place / "audit.toml").write_text('data.folder = "data"\noutput.folder = "out"\nretention.runs = 0\n')
    return place


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, nights: Path) -> list[str]:
    """The files of the nights that were opened."""
    found: list[str] = []
    real, place = builtins.open, f"{nights}/"

    def noted(file: object, *words: object, **more: object) -> object:
        if isinstance(file, str | Path) and os.path.abspath(file).startswith(place):
            found.append(str(file))
        return real(file, *words, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", noted)
    monkeypatch.setattr(io, "open", noted)
    monkeypatch.chdir(nights)
    return found


@pytest.mark.parametrize(
    "command",
    [
        "letters status",
        "letters due",
        "doctor --health --config audit.toml",
        "methods --data data",
        "check x --data data",
    ],
)
def test_a_command_opens_a_bounded_number(command: str, opened: list[str], run) -> None:
    done: Done = run(*command.split())
    assert "Traceback" not in done.stderr
    assert 1 <= len(opened) <= MOST


def test_what_retention_lets_go_is_found_without_opening_each(opened: list[str], nights: Path) -> None:
    assert len(outdated(nights / "out", Retention(runs=NIGHTS - 5), LAST)) == 5
    assert len(opened) <= 20
