"""Work done in forked processes: each begins where one prepared process stands, and leaves nothing behind.

`ForkServer` starts `mssante_audit.dossiers.forkserver` once, which imports and loads what is wanted; every
call then runs in a child of its own, isolated, with a deadline and a memory limit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from mssante_audit.base.errors import ReportError
from mssante_audit.base.staging import SCRATCH
from mssante_audit.dossiers.forkserver import ENDED, SINGLE
from mssante_audit.dossiers.shell import KERNEL_ENVIRONMENT
from mssante_audit.report.kernel import kernel_environment

AVAILABLE = sys.platform == "linux"
"""Whether processes can be forked here: elsewhere libraries do not bear it, or there is no fork."""

_START = """
from mssante_audit.dossiers.shell import make_shell
make_shell()  # before pandas, which asks once, when it is imported, whether it is in a notebook
from mssante_audit.dossiers.forkserver import main
main()
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a piece of work may take."""

    deadline: float = 900.0
    """Seconds after which it is killed."""
    memory: int = 2 << 30
    """Bytes of address space beyond those that the server has mapped."""


class DiedError(ReportError):
    """A child that ended without an answer.

    Attributes
    ----------
    late
        Whether it was killed for its deadline.
    """

    late: bool = False


class ForkServer:
    """A prepared process and the calls made in children of it; any thread may call.

    Parameters
    ----------
    prepare
        A function of some module, done once in the server; its effects are what the children start with.
    arguments
        Of `prepare`.

    Raises
    ------
    ReportError
        If the server does not start. What `prepare` raises comes through.
    """

    def __init__(self, prepare: Callable[..., Any], *arguments: Any) -> None:
        self._root = Path(tempfile.mkdtemp(prefix=SCRATCH))
        self._lock = Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        errors = self._root / "errors"
        try:
            with theirs, errors.open("wb") as file:
                self._process = subprocess.Popen(  # noqa: S603 - this Python, no shell
                    [sys.executable, "-c", _START, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    cwd=self._root,
                    env={**kernel_environment(self._root), **KERNEL_ENVIRONMENT, **SINGLE},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=file,
                    start_new_session=True,  # Ctrl-C is for the starter, which then closes the server
                )
            self._prepare(prepare, arguments, errors)
        except BaseException:
            self.close()
            raise

    def _prepare(self, prepare: Callable[..., Any], arguments: tuple[Any, ...], errors: Path) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"prepare"], [theirs.fileno()])
        with Connection(ours.detach()) as answers:
            try:
                answers.send((prepare, arguments))
                kind, value = answers.recv()
            except (EOFError, OSError):
                last = errors.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
                raise ReportError(f"the fork server did not start: {last}") from None
        if kind == "raised":
            raise value

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether it can be called."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of the server's process."""
        return self._process.pid

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        limits: Limits | None = None,
        listener: Callable[..., None] | None = None,
    ) -> Any:
        """Return what a function returns in a child.

        Parameters
        ----------
        function
            A function of some module. It is given the child's private folder, a function to tell the
            `listener` something, and `arguments`.

        Raises
        ------
        DiedError
            If the child is killed, crashes or leaves. What the function raises comes through.
        """
        limits = limits or Limits()
        ours, theirs = socket.socketpair()
        ended, tell_end = os.pipe()
        order = json.dumps({"deadline": limits.deadline, "memory": limits.memory}).encode()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [order], [theirs.fileno(), tell_end])
        except OSError:
            os.close(ended)
            ours.close()
            raise self._gone() from None
        finally:
            os.close(tell_end)
        with Connection(ours.detach()) as answers, open(ended, "rb", buffering=0) as end:
            with suppress(BrokenPipeError):
                answers.send((function, arguments))
            kind, value = _answer(answers, end, listener)
        if kind == "raised":
            raise value
        if kind != "done":
            raise _died(value, limits) if len(value) == ENDED.size else self._gone()
        return value

    def _gone(self) -> DiedError:
        """Return what a call ends with whose server ended; `running` tells so from then on."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        return DiedError("the fork server is gone")

    def close(self) -> None:
        """End the server and its children."""
        with self._lock:
            self._control.close()
        process = getattr(self, "_process", None)
        if process is not None:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._root, ignore_errors=True)


def _answer(answers: Connection[Any, Any], end: Any, listener: Callable[..., None] | None) -> tuple[str, Any]:
    """Read what a child says up to its answer; without one, return how it ended."""
    status = None
    while True:
        if status is None and answers not in wait([answers, end]):
            status = end.read(ENDED.size)
            # What it said is still there to be read, then nothing: not even from what it left running.
            with socket.socket(fileno=os.dup(answers.fileno())) as same:
                same.shutdown(socket.SHUT_RD)
        try:
            kind, value = answers.recv()
        except (EOFError, OSError):
            return "ended", end.read(ENDED.size) if status is None else status
        if kind != "told":
            return kind, value
        if listener:
            listener(*value)


def _died(status: bytes, limits: Limits) -> DiedError:
    code, late = ENDED.unpack(status)
    if late:
        died = DiedError(f"stopped after {limits.deadline:g} seconds")
    elif code < 0:
        died = DiedError(f"its process was ended by {signal.Signals(-code).name}")
    else:
        died = DiedError(f"its process left with status {code}")
    died.late = late
    return died
