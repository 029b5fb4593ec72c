"""Where and why a report failed, told without naming a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mssante_audit.base.errors import AuditError
from mssante_audit.values.person import masked_message


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and why a report failed."""

    kind: str
    """Class of the exception."""
    message: str
    """What it says and where; contacts in it are masked, unless it is an `AuditError` or the engine's, which
    hold no field of the list."""
    cell: int = -1
    """Position of the cell, from 0, in the executed notebook; -1 if the kernel never started."""
    traceback: str = ""
    """Only for debugging: it may hold values."""


def failure_of(kind: str, message: str, cell: int, traceback: str = "") -> Failure:
    """Return a `Failure` whose message names no person."""
    if kind in {"DeadKernelError", "CellTimeoutError", "ModuleNotFoundError", *_family(AuditError)}:
        return Failure(kind, message.split("\n")[0], cell, traceback)
    said = masked_message(" ".join(message.split()))
    return Failure(kind, f"{said}{_place(traceback)}".strip(), cell, traceback)


_FRAME = re.compile(r"(?:File \"?([^\n\"]+?)\"?(?::|, line )(\d+)|Cell In\[\d+\](?:, line |:)(\d+))")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _place(traceback: str) -> str:
    """Return where the innermost frame of a traceback, IPython's or Python's, stands; "" if it has none."""
    frames = _FRAME.findall(_COLOUR.sub("", traceback))
    if not frames:
        return ""
    file, line, cell_line = frames[-1]
    return f" ({Path(file).name}, line {line})" if file else f" (line {cell_line} of the cell)"


def _family(base: type[Exception]) -> Iterator[str]:
    """Yield the names of an exception and of all below it."""
    yield base.__name__
    for child in base.__subclasses__():
        yield from _family(child)
