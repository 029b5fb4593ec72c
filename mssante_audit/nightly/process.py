"""A program in a process group of its own, with a time limit: steps of a night and hooks are run this way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO


def run_program(
    words: Sequence[str],
    *,
    seconds: float,
    output: IO[bytes],
    environment: Mapping[str, str],
    request: bytes = b"",
    grace: float = 0,
) -> int | None:
    """Run a program to its end, and return its exit status; ``None`` if it was ended at its time limit.

    Whatever it started is ended with it if it fails, takes too long, or this process is interrupted.

    Parameters
    ----------
    words
        The program and its arguments; no shell reads them.
    seconds
        Its time limit.
    output
        Takes what it prints.
    environment
        Its variables.
    request
        What it reads. If there is any, its input stays open for as long as this process lives; otherwise its
        input is empty.
    grace
        Seconds that it has to tidy up when it is ended.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell
        list(words),
        env=dict(environment),
        stdin=subprocess.PIPE if request else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own, and no terminal: it hears of Ctrl-C from this process
    )
    try:
        if process.stdin:
            with suppress(BrokenPipeError):  # it died at once, which its exit status tells
                process.stdin.write(request)
                process.stdin.flush()
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end(process, grace)


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """End a program that has not ended well, kindly first, and what it left behind."""
    if process.poll() is None and grace:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    if process.poll() != 0:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
