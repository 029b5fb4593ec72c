"""Hooks: programs of the user's, run after a nightly run, told what happened by environment variables.

They are lists of words, never a shell's line; what they print goes nowhere unless they fail.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

PREFIX = "MSSANTE_"
"""Of the variables that tell a hook what happened."""
_TAIL = 300


def run_hooks(
    event: str,
    programs: Sequence[Sequence[str]],
    facts: Mapping[str, object],
    seconds: float,
    hidden: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Run the programs of an event, one after the other; none stops the others.

    Each may take so many `seconds`; then it is killed, with what it started. It is told `facts` in variables
    (``counts_new=3`` is ``MSSANTE_COUNTS_NEW=3``), and does not get those of ours that are `hidden`. Returns
    the first word of each, and why it failed, "" if it did not.
    """
    ours = {name: value for name, value in os.environ.items() if name not in hidden}
    told = {f"{PREFIX}{name.upper()}": str(value) for name, value in {**facts, "event": event}.items()}
    return [(words[0], _run(words, {**ours, **told}, seconds)) for words in programs]


def _run(words: Sequence[str], environment: Mapping[str, str], seconds: float) -> str:
    """Run a program; return why it failed, or ""."""
    with tempfile.TemporaryFile() as said:
        try:
            # A session of its own: what it starts can be ended with it.
            process = subprocess.Popen(  # noqa: S603 - the user's own words, and no shell
                list(words),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"cannot be started ({getattr(error, 'strerror', None) or error})"
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            return f"not done after {seconds:g} s, and ended"
        except BaseException:  # Ctrl-C above all
            _kill(process)
            raise
        if status == 0:
            return ""
        said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
        last = " ".join(said.read().decode("utf-8", "replace").split())
        how = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return f"{how}: {last}" if last else how


def kill_group(leader: int) -> None:
    """Kill a process that leads its session, and what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    kill_group(process.pid)
    process.wait()
