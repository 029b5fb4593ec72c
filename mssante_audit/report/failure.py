"""Where and why a report failed, told without naming a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mssante_audit.base.errors import AuditError
from mssante_audit.values.contacts import mask


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and why a report failed."""

    kind: str
    """Class of the exception."""
    message: str
    """What it says, masked unless it is an `AuditError` or the engine's, which hold no field of the list."""
    cell: int
    """Position of the cell, from 0, in the executed notebook; -1 if the kernel never started."""
    traceback: str = ""
    """Only for debugging: it may hold values."""


def failure_of(kind: str, message: str, cell: int, traceback: str = "") -> Failure:
    """Return a `Failure` whose message names no person."""
    if kind in {"DeadKernelError", "CellTimeoutError", "ModuleNotFoundError", *_family(AuditError)}:
        return Failure(kind, message.split("\n")[0], cell, traceback)
    return Failure(kind, mask(message), cell, traceback)


def _family(base: type[Exception]) -> Iterator[str]:
    """Yield the names of an exception and of all below it."""
    yield base.__name__
    for child in base.__subclasses__():
        yield from _family(child)
