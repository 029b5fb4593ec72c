"""Programs of a night, each a process within a time limit: its steps, and the hooks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from pydantic import TypeAdapter

from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.nightly.night import Night, Result, draft_of, read_result

GRACE = 20  # seconds a step is given to tidy up when it is ended
MAIL = "mail"  # no step: what the program of the steps does after an audit whose process died
NIGHT = TypeAdapter(Night)  # how the process of a step gets what it is to do


def request_of(night: Night) -> bytes:
    """Return the line that tells a step's process of its night; what steps found is in files."""
    excluded: Any = {"results": {"__all__": {"facts", "inputs"}}, "seen": True}
    return NIGHT.dump_json(night, exclude=excluded, exclude_none=True) + b"\n"


def supervise(step: str, night: Night) -> Result:
    """Do a step in a process of its own, within its time limit; only one that ended well is believed."""
    begin, seconds = time.monotonic(), getattr(night.config.deadlines, step)
    command = [sys.executable, "-P", "-m", "mssante_audit.nightly.steps", step]
    environment = night.config.environment | {PACKAGE_SECONDS: str(night.config.deadlines.package)}
    code, text, draft = "died", "it left no result", draft_of(step)
    try:
        with (night.folder / "steps" / f"{step}.txt").open("wb") as output:
            status = run_program(
                command, seconds, output, environment, request=request_of(night), grace=GRACE
            )
        result = read_result(night.folder, draft) if status == 0 else None
        (night.folder / "steps" / f"{draft}.json").unlink(missing_ok=True)
        if result:
            return result
        if status is None:
            code, text = "late", f"not done after {seconds:g} s, and ended"
        elif status in (-signal.SIGKILL, -signal.SIGABRT):
            code, text = "killed", "it was killed, as when memory runs out"
        elif status:
            text = f"it died with {f'signal {-status}' if status < 0 else f'status {status}'}"
    except OSError as error:  # no memory for a process more, no room
        reason = (error.strerror or type(error).__name__).lower()
        code, text = "unstarted", f"it could not be started: {reason}"
    took = round(time.monotonic() - begin, 3)
    night.results[step] = Result(step=step, outcome="failed", message=text, why={"code": code}, seconds=took)
    if step == "audit":
        with suppress(OSError), (night.folder / "steps" / f"{step}.txt").open("ab") as output:
            run_program([*command[:-1], MAIL], 3 * GRACE, output, environment, request=request_of(night))
    return night.results[step]


def run_program(
    command: Sequence[str], seconds: float, output: IO[bytes], environment: Mapping[str, str],
    *, request: bytes = b"", grace: float = 0,
) -> int | None:  # fmt: skip
    """Run a program without a shell and return its exit status, ``None`` if it was ended after `seconds`.

    Its input is the `request`, and stays open while this process lives; without one it is empty. If it fails,
    takes too long, or this process is interrupted, all that it started ends with it, after `grace` seconds.
    """
    with subprocess.Popen(  # noqa: S603 - no shell
        list(command),
        env=dict(environment),
        bufsize=0,
        stdin=subprocess.PIPE if request else subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group of its own, and no terminal: Ctrl-C comes from this process
    ) as process:
        try:
            if process.stdin:
                with suppress(BrokenPipeError):  # it died at once, which its exit status tells
                    process.stdin.write(request)
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if grace and process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
            if process.poll() != 0:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
