"""Code of other packages, in a process of its own: it cannot end the program, hold it up or write for it.

No guard inside a process outlives ``os._exit``, a kill, ignored signals or a swallowed time-out, all of which
tests/attacks/test_installed_audits.py tries. A fork has the space without copying it: 25 ms a part, measured
after all audits of 6,494 rows. Audits of this package are not forked.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO, cast

from mssante_audit.base.errors import AuditError
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.values.person import unnamed

DEFAULT = 300.0
"""Seconds that one part of an audit of another package may take, unless `PACKAGE_SECONDS` says otherwise."""
LONGEST = 2000
"""Characters of an error that are told."""
HEAD = 8
"""Bytes before a message that say how long it is."""


class EndedError(AuditError):
    """Code of another package failed, ended its process, or takes too long."""

    place: str = ""
    """File and line that raised."""


def held(work: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield what somebody else's code yields, as it comes; however that ends, it is an `EndedError`.

    What it prints goes to standard error. It has a time, and what it changes stays in its process.
    """
    limit = float(os.environ.get(PACKAGE_SECONDS) or DEFAULT)
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        _do(work, os.fdopen(writer, "wb"))
    os.close(writer)
    try:
        for kind, content, place in _received(reader, time.monotonic() + limit):
            if kind == "found":
                yield content
            elif kind == "printed":
                sys.stderr.write(content)
            elif kind == "end":
                return
            else:
                failed = EndedError(content)
                failed.place = place
                raise failed
        raise EndedError(f"not done after {limit:g} s ({PACKAGE_SECONDS}, or deadlines.package of a run)")
    except EOFError:
        raise EndedError("its process ended before it was done") from None
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _received(reader: int, until: float) -> Iterator[tuple[str, Any, str]]:
    """Yield what comes whole through a pipe until then: who sends part of it and stops is not waited for."""
    come, ready = bytearray(), select.poll()
    ready.register(reader, select.POLLIN)
    while (left := until - time.monotonic()) > 0 and ready.poll(left * 1000):
        part = os.read(reader, 1 << 20)
        if not part:
            raise EOFError
        come += part
        while len(come) >= HEAD and len(come) >= (end := HEAD + int.from_bytes(come[:HEAD])):
            try:
                message = pickle.loads(come[HEAD:end])  # noqa: S301 - of a fork of ours
            except (Exception, SystemExit) as error:
                raise EndedError(f"what it yields cannot be read ({type(error).__name__})") from None
            del come[:end]
            yield message


def _send(writer: BinaryIO, kind: str, content: object, place: str = "") -> None:
    """Send a message in one write, which no other thread's gets into."""
    message = pickle.dumps((kind, content, place))
    writer.write(len(message).to_bytes(HEAD) + message)
    writer.flush()


class _Printed:
    """Standard output and error of the process: what is written there is handed on."""

    def __init__(self, writer: BinaryIO) -> None:
        self.writer = writer

    def write(self, text: str) -> int:
        _send(self.writer, "printed", text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: all was handed on."""


def _do(work: Callable[[], Iterable[Any]], writer: BinaryIO) -> NoReturn:
    """Do the work in a process of its own, hand on what it yields, and end."""
    sent = ("end", "", "")
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(2, 1)
        sys.stdout = sys.stderr = cast(TextIO, _Printed(writer))
        for item in work():
            _send(writer, "found", item)
    except BaseException as error:  # whatever it is, it must not come to what this process was forked of
        last = traceback.extract_tb(error.__traceback__)[-1]
        sent = ("failed", type(error).__name__, f"{Path(last.filename).name}:{last.lineno}")
        with suppress(BaseException):  # its text may be anything, or none can be had
            text = unnamed(" ".join(str(error)[:LONGEST].split()))
            ours = isinstance(error, AuditError)
            sent = ("failed", text, "") if ours else ("failed", f"{sent[1]}: {text}".rstrip(": "), sent[2])
    finally:
        with suppress(BaseException):
            _send(writer, *sent)
        os._exit(0)
