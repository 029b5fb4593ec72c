"""Writing an observation file: append only, whole gzip members, readable at any moment."""

import errno
import fcntl
import gzip
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import OutputError
from mssante_audit.observe.folder import Form, Scan
from mssante_audit.observe.lines import instant

BATCH = 512
PERIOD = 1.0  # a member is written after so many lines, or after so many seconds

ELSE_RESUME = "Name another file, or add --resume to go on with this one"
TOOL = version("mssante-audit")
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an observation has come."""

    done: int
    total: int
    outcomes: Mapping[str, int]
    sent: int = 0
    seconds: float = 0.0
    silent: tuple[str, ...] = ()


Tell = Callable[[Progress], None]


class Writer:
    """Appends lines to a file that no one else is writing to: a new one, or with `resume` one that exists.

    `OutputError` if the file cannot be made or written, exists (without `resume`), or another run writes it.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path, self._begun = path, False
        self._lines: list[str] = []
        self._written = time.monotonic()
        flags = os.O_RDWR | os.O_APPEND | (0 if resume else os.O_CREAT | os.O_EXCL)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, flags, 0o644)
        except FileExistsError:
            raise OutputError("exists already", file=str(path), remedy=ELSE_RESUME) from None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise  # whoever can wait for a descriptor may
            raise OutputError(error.strerror or "cannot be written", file=str(path)) from None
        try:
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise OutputError("is no file", file=str(path))
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if isinstance(error, OutputError):
                raise
            raise OutputError("another run is writing it", file=str(path)) from None

    def begin(self, form: Form, **facts: Any) -> None:
        """Write the header of a run."""
        self._begun, at = True, instant(datetime.now(UTC))
        self.write({"format": form.format, "version": form.version, "at": at, "tool": TOOL, **facts})
        self.flush()

    def mend(self) -> None:
        """Cut off what a killed run left half-written; whole lines of it stay."""
        scan, good = Scan(self.path.read_bytes()), 0
        tail: list[dict[str, Any]] = []  # whole lines of a member that was cut
        for _, line in scan.lines():
            if scan.good != good:
                good, tail = scan.good, []
            tail.append(line)
        os.ftruncate(self._file, scan.good)
        if scan.good == good:
            self._lines[:0] = map(_encode, tail)
            self.flush()

    def write(self, content: dict[str, Any]) -> None:
        """Add a line."""
        self._lines.append(_encode(content))
        if len(self._lines) >= BATCH or time.monotonic() - self._written > PERIOD:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting, as a gzip member; if the disk is full the file is left as it was before."""
        self._written = time.monotonic()
        if not self._lines:
            return
        member = memoryview(gzip.compress(("\n".join(self._lines) + "\n").encode(), 6, mtime=0))
        self._lines = []
        size = os.fstat(self._file).st_size
        try:
            while member:
                member = member[os.write(self._file, member) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, size)
            why, remedy = "the file is left readable, as it was", "Make room, then go on with --resume"
            raise OutputError(f"{error.strerror}: {why}", file=str(self.path), remedy=remedy) from None

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def finish(self, *, complete: bool, **facts: Any) -> None:
        """Write the last line of a run that began, and close; the error of one that failed goes first."""
        try:
            if self._begun:
                self.write({"end": instant(datetime.now(UTC)), "complete": complete, **facts})
            self.close()
        except OutputError:
            if complete:
                raise
