"""Code of other packages: what it prints goes aside, its time is limited, and it cannot end the program."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType
from typing import Any

from mssante_audit.base.errors import AuditError
from mssante_audit.base.settings import PACKAGE_SECONDS
from mssante_audit.values.person import describe_error

DEFAULT = 300.0
"""Seconds that one part of an audit of another package may take, unless `PACKAGE_SECONDS` says otherwise."""


class EndedError(AuditError):
    """Code of another package would end the program, or takes too long."""


@contextmanager
def held() -> Iterator[None]:
    """Run a part of somebody else's audit; what would end the program comes as `EndedError`.

    Ctrl-C and an end asked for from outside stay what they are. Only in the main thread is time limited.
    """
    asked: list[int] = []
    limit = float(os.environ.get(PACKAGE_SECONDS) or DEFAULT)

    def interrupted(number: int, _: FrameType | None) -> Any:
        asked.append(number)
        raise KeyboardInterrupt

    def late(_: int, __: FrameType | None) -> Any:
        raise EndedError(f"not done after {limit:g} s ({PACKAGE_SECONDS}, or deadlines.package of a run)")

    ours = threading.current_thread() is threading.main_thread()
    handlers = {signal.SIGINT: interrupted, signal.SIGALRM: late} if ours else {}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if ours:
        signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        if asked or (isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM):
            raise
        raise EndedError(describe_error(error)) from error
    finally:
        if ours:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
