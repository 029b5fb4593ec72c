"""What is no file where one is read: one line at once, never a wait."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from commands import Done
from conftest import CATALOGUE

LIST = str(max((CATALOGUE / "archive").glob("*.xml.gz")))


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it:
        it.bind(os.path.relpath(path))


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "it is a pipe"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "socket": (bound, "it is a socket"),
    "folder": (Path.mkdir, "it is a folder"),
}
COMMANDS = (
    "gate x LIST", "gate LIST x", "findings all --data x", "domains --data x", "verify x", "observe diff x x",
    "check y --data x", "declarations fix x.csv out.xlsx", "declarations import x.csv",
    "gate --declaration x.csv",
)  # fmt: skip
EMPTY = ("no white list here", "no declaration here")
"""What is said of a folder where one may be named."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_file_is_told_at_once(
    command: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Done]
) -> None:
    monkeypatch.chdir(tmp_path)
    make, why = KINDS[kind]
    make(Path("x.csv" if "x.csv" in command else "x"))
    done = run(*(LIST if word == "LIST" else word for word in command.split()))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert why in line or (kind == "folder" and any(words in line for words in EMPTY))


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_an_observation_that_is_no_file_is_told_at_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Done]
) -> None:
    monkeypatch.chdir(tmp_path)
    copytree(CATALOGUE, "data")
    (seen,) = Path("data/observations").glob("dns-*")
    seen.unlink()
    KINDS[kind][0](seen)
    done = run("methods", "--data", "data")
    assert done.returncode == 2
    assert KINDS[kind][1] in done.stderr


def test_an_audit_that_was_not_made_is_told(run: Callable[..., Done]) -> None:
    done = run("findings", "all", "--data", LIST, "--as-of", "2026-03-03")
    assert done.returncode == 0
    assert "not evaluated: " in done.stderr
    assert "delegation_vs_redirection (no observation of the DNS)" in done.stderr
    assert "declarations (no register of declarations)" in done.stderr
