"""Three years of nights, all kept: what a command reads of them is bounded."""

import builtins
import io
import os
from pathlib import Path
from shutil import copy

import pytest
from commands import Done
from conftest import CATALOGUE

from mssante_audit.nightly.run import outdated
from mssante_audit.nightly.settings import Retention
from tools.nights import LAST, make_nights

NIGHTS, MOST = 1100, 450


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """A folder with three years of nights, and a list."""
    make_nights(place := tmp_path_factory.mktemp("nights"), NIGHTS)
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), place / "data" / "list.xml.gz")
    return place


@pytest.fixture
def opened(monkeypatch, nights):
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


@pytest.mark.parametrize("command", [
    "letters status", "letters due", "doctor --health --config audit.toml", "methods --data data",
    "check x --data data",
])  # fmt: skip
def test_a_command_opens_a_bounded_number(command, opened, run):
    done: Done = run(*command.split())
    assert "Traceback" not in done.stderr
    assert 1 <= len(opened) <= MOST


def test_what_retention_lets_go_is_found_without_opening_each(opened, nights):
    assert len(outdated(nights / "out", Retention(runs=NIGHTS - 5), LAST)) == 5
    assert len(opened) <= 20
