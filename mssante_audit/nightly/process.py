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
    """Run a program without a shell and return its exit status, ``None`` if it was ended after `seconds`.

    Its input is the `request`, and stays open while this process lives; without one it is empty. If it fails,
    takes too long, or this process is interrupted, all that it started ends with it, after `grace` seconds.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell
        list(words),
        env=dict(environment),
        stdin=subprocess.PIPE if request else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own, and no terminal: Ctrl-C comes from this process
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
