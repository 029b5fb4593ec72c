"""Code of other packages, in a process of its own: it cannot end the program, hold it up or write for it.

No guard inside a process outlives ``os._exit``, a kill, ignored signals or a swallowed time-out, all of which
tests/attacks/test_installed_audits.py tries. A fork has the space without copying it: 25 ms a part, measured
after all audits of 6,494 rows. Audits of this package are not forked.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from mssante_audit.base.errors import AuditError
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.values.person import unnamed

DEFAULT = 300.0
"""Seconds that one part of an audit of another package may take, unless `PACKAGE_SECONDS` says otherwise."""
LONGEST = 2000
"""Characters of an error that are told."""


class EndedError(AuditError):
    """Code of another package failed, ended its process, or takes too long."""

    place: str = ""
    """File and line that raised."""


def held(work: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield what somebody else's code yields, as it comes; however that ends, it is an `EndedError`.

    What it prints goes to standard error. It has a time, and what it changes stays in its process.
    """
    limit = float(os.environ.get(PACKAGE_SECONDS) or DEFAULT)
    receiver, sender = Pipe(duplex=False)
    process = os.fork()
    if not process:
        _do(work, sender)
    sender.close()
    until = time.monotonic() + limit
    try:
        while (left := until - time.monotonic()) > 0 and receiver.poll(left):
            kind, content, place = receiver.recv()
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
        receiver.close()
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


class _Printed:
    """Standard output and error of the process: what is written there is handed on."""

    def __init__(self, sender: Connection) -> None:
        self.sender = sender

    def write(self, text: str) -> int:
        self.sender.send(("printed", text, ""))
        return len(text)

    def flush(self) -> None:
        """Do nothing: all was handed on."""


def _do(work: Callable[[], Iterable[Any]], sender: Connection) -> NoReturn:
    """Do the work in a process of its own, hand on what it yields, and end."""
    sent = ("end", "", "")
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(2, 1)
        sys.stdout = sys.stderr = cast(TextIO, _Printed(sender))
        for item in work():
            sender.send(("found", item, ""))
    except BaseException as error:  # whatever it is, it must not come to what this process was forked of
        last = traceback.extract_tb(error.__traceback__)[-1]
        sent = ("failed", type(error).__name__, f"{Path(last.filename).name}:{last.lineno}")
        with suppress(BaseException):  # its text may be anything, or none can be had
            text = unnamed(" ".join(str(error)[:LONGEST].split()))
            ours = isinstance(error, AuditError)
            sent = ("failed", text, "") if ours else ("failed", f"{sent[1]}: {text}".rstrip(": "), sent[2])
    finally:
        with suppress(BaseException):
            sender.send(sent)
        os._exit(0)
