"""The process that has imported everything and loaded the data, and forks itself for each piece of work.

It is started by `mssante_audit.dossiers.forks`, single-threaded, in a private folder, with a kernel's
environment. A piece of work comes as two descriptors: a socket it is read from and answered on, and a pipe
that tells how its process ended. When the starter goes away, however it ends, so does the server, and its
children with it.

Why not multiprocessing's own: that one is a single server a process for good, which imports but loads
nothing, keeps the parent's environment, runs the parent's main module again in each child and lets children
outlive a killed parent.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ENDED = struct.Struct("i?")
"""How a child ended: its exit code (minus the signal that killed it), and whether that was the deadline."""

SINGLE = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""Variables that keep libraries from starting threads, which a fork would leave behind."""

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class _Child:
    ended: int
    """The pipe that wants to know how it ended."""
    scratch: Path
    due: float


def main() -> None:
    """Serve on the socket whose number is the last argument, until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its starter's end is what ends it
    control = socket.socket(fileno=int(sys.argv[-1]))
    children: dict[int, _Child] = {}
    try:
        if _prepare(control):
            _serve(control, children)
    finally:
        for pid in children:
            _kill(pid)
        for pid, child in children.items():
            os.waitpid(pid, 0)
            os.close(child.ended)
        shutil.rmtree(Path.cwd(), ignore_errors=True)
        os._exit(0)


def lift_memory_limit() -> None:
    """Give a child whose work is over the room to tell of it."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _prepare(control: socket.socket) -> bool:
    """Do what the starter wants done once, before any fork."""
    _, (number,), *_ = socket.recv_fds(control, 64, 1)
    starter = Connection(number)
    try:
        function, arguments = starter.recv()
        function(*arguments)
    except BaseException as error:
        starter.send(("raised", error))
        return False
    for name in SINGLE:
        os.environ.pop(name, None)
    _leave_threads()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()  # what lives now is never looked at again, so that its pages stay shared
    starter.send(("done", None))
    starter.close()
    return True


def _leave_threads() -> None:
    """Go on as a fork that has no other thread, where preparing left some; the one with them waits.

    They are Arrow's, idle, and Arrow has its handlers for a fork: once here, instead of in every child.
    """
    if len(os.listdir("/proc/self/task")) == 1:
        return
    before = os.getpid()
    if pid := os.fork():
        os.waitpid(pid, 0)
        os._exit(0)
    _die_with(before)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _serve(control: socket.socket, children: dict[int, _Child]) -> None:
    woken, wake = os.pipe()
    for number in (woken, wake):
        os.set_blocking(number, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    made = 0
    while True:
        due = min((child.due for child in children.values()), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([control.fileno(), woken], [], [], wait)
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
        _reap(children)
        if control.fileno() in ready:
            message, numbers, *_ = socket.recv_fds(control, 4096, 2)
            if not message:
                return
            made += 1
            scratch = Path.cwd() / f"{made}"
            scratch.mkdir(0o700)
            order = json.loads(message)
            pid = _fork(numbers, scratch, order["memory"], [control.fileno(), woken, wake], children)
            children[pid] = _Child(numbers[1], scratch, time.monotonic() + order["deadline"])


def _fork(numbers: list[int], scratch: Path, memory: int, own: list[int], children: dict[int, _Child]) -> int:
    """Fork a child for one piece of work; return its number. In the child, never return."""
    server = os.getpid()
    work, ended = numbers
    pid = os.fork()
    if pid:
        os.close(work)
        return pid
    try:
        os.setsid()  # whatever it starts is killed with it
        _die_with(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (*own, ended, *(child.ended for child in children.values())):
            os.close(number)
        _settle(scratch, memory)
        _work(Connection(work), scratch)
    finally:
        os._exit(1)


def _settle(scratch: Path, memory: int) -> None:
    """Make a forked process one of its own: folder, temporary files, random numbers, limits."""
    os.chdir(scratch)
    os.environ |= {"IPYTHONDIR": str(scratch / "ipython"), "TMPDIR": str(scratch)}
    tempfile.tempdir = None
    gc.set_threshold(100_000, 50, 100)  # a life this short leaves little to collect
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own is seeded again by every fork
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = mapped + memory
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def _work(starter: Connection[Any, Any], scratch: Path) -> None:
    try:
        function, arguments = starter.recv()
        answer = ("done", function(scratch, lambda *told: starter.send(("told", told)), *arguments))
    except Exception as error:
        answer = ("raised", error)
    lift_memory_limit()
    try:
        starter.send(answer)
    except (TypeError, AttributeError, ValueError):  # it cannot be pickled
        starter.send(("raised", RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))
    os._exit(0)


def _reap(children: dict[int, _Child]) -> None:
    """Kill children over their deadline; tell of those that have ended, and clean up after them."""
    now = time.monotonic()
    for pid, child in list(children.items()):
        late = False
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if child.due > now:
                continue
            late = True
        _kill(pid)  # also what it started, before its number is anybody else's
        _, status = os.waitpid(pid, 0)
        del children[pid]
        with suppress(BrokenPipeError):
            os.write(child.ended, ENDED.pack(os.waitstatus_to_exitcode(status), late))
        os.close(child.ended)
        shutil.rmtree(child.scratch, ignore_errors=True)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError):  # it may not have come to lead its group yet
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
