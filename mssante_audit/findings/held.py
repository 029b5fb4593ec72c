"""Code of other packages, in a process of its own: it cannot end the program, hold it up or write for it.

No guard inside a process outlives ``os._exit``, a kill, ignored signals or a swallowed time-out, all of which
tests/attacks/test_installed_audits.py tries. A fork has the space without copying it (25 ms a part, after all
audits of 6,494 rows); multiprocessing starts none in a worker of Dask, which is a daemon. Audits of this
package are not forked.
"""

import io
import os
import pickle
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, BinaryIO, NoReturn

from mssante_audit.base.errors import AuditError
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.values.person import unnamed

LONGEST = 2000  # characters of an error that are shown


class EndedError(AuditError):
    """Code of another package failed, ended its process, or takes too long; `place`: file and line."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


def failure_of(error: BaseException) -> tuple[str, str]:
    """Return what an error says, in one line, and where it was raised; one of ours says that itself."""
    last, name, text = traceback.extract_tb(error.__traceback__)[-1], type(error).__name__, ""
    with suppress(BaseException):  # its text may be anything, or none can be had
        text = unnamed(" ".join(str(error)[:LONGEST].split()))
    if isinstance(error, AuditError):
        return text or name, getattr(error, "place", "")
    return f"{name}: {text}".rstrip(": "), f"{Path(last.filename).name}:{last.lineno}"


def held(work: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield what another package's code yields; any failure of it is an `EndedError`.

    What it prints goes to standard error. It has 300 seconds, unless `PACKAGE_SECONDS` says otherwise, and
    what it changes stays in its process.
    """
    limit = float(os.environ.get(PACKAGE_SECONDS) or 300)
    ours, theirs = socket.socketpair()
    late = Timer(limit, ours.shutdown, (socket.SHUT_RDWR,))  # who sends part of a message is not waited for
    late.daemon = True
    # All that is to be closed stands before the fork: from then on an interrupt may come at any instant.
    with ours, theirs, ours.makefile("rb") as messages:
        if not (process := os.fork()):
            _do(work, theirs.makefile("wb"))
        try:
            theirs.close()
            until = time.monotonic() + limit
            late.start()
            yield from _received(messages, limit, until)
        finally:
            late.cancel()
            if late.is_alive():
                late.join()
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _received(messages: BinaryIO, limit: float, until: float) -> Iterator[Any]:
    """Yield the process's messages; it may run `limit` seconds, `until` then."""
    while True:
        try:
            kind, content, place = pickle.load(messages)  # noqa: S301 - of a fork of ours
        except (Exception, SystemExit) as error:
            message = f"what it yields cannot be read ({type(error).__name__})"
            if time.monotonic() >= until:
                message = f"not done after {limit:g} s ({PACKAGE_SECONDS}, or deadlines.package of a run)"
            elif isinstance(error, EOFError | OSError | pickle.UnpicklingError):
                message = "its process ended before it was done"
            raise EndedError(message) from None
        if kind == "found":
            yield content
        elif kind == "printed":
            sys.stderr.write(content)
        elif kind == "failed":
            raise EndedError(content, place)
        else:
            return


class _Printed(io.TextIOBase):
    """Standard output and error of the process: what is written there is handed on."""

    def __init__(self, writer: BinaryIO) -> None:
        self.writer = writer

    def write(self, text: str) -> int:
        self.send("printed", text)
        return len(text)

    def send(self, kind: str, content: object = "", place: str = "") -> None:
        """Send a message in one write, which no other thread's gets into."""
        self.writer.write(pickle.dumps((kind, content, place)))
        self.writer.flush()


def _do(work: Callable[[], Iterable[Any]], writer: BinaryIO) -> NoReturn:
    """Do the work in a process of its own, hand on what it yields, and end."""
    printed = _Printed(writer)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(2, 1)  # what programs that it starts print is no part of a table either
        sys.stdout = sys.stderr = printed
        for item in work():
            printed.send("found", item)
        printed.send("end")
    except BaseException as error:  # whatever it is, it must not come to what this process was forked of
        with suppress(BaseException):
            printed.send("failed", *failure_of(error))
    finally:
        os._exit(0)
