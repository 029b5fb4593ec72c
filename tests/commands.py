"""The command line, run in this process."""

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from mssante_audit.cli import main as cli


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def ran(*words: str, **options: Any) -> Done:
    """Run a program, somewhere or in an environment; return status, output and errors."""
    done = subprocess.run(words, **options, capture_output=True, text=True, check=False, timeout=300)
    return Done(done.returncode, done.stdout, done.stderr)


def said(*words: object, status: int = 0) -> str:
    """Return what the command line prints, which ends with a status; what it refuses is raised."""
    done = CliRunner().invoke(cli.app, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.stdout


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., Done]:
    """Return a function that runs the command line and returns status, output and errors."""

    def command(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["mssante-audit", *map(str, arguments)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as left:
                cli.main()
        finally:
            signal.signal(signal.SIGTERM, before)
        status = left.value.code
        return Done(status if isinstance(status, int) else 1, *capsys.readouterr())

    return command
