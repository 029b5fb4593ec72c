"""A file of declarations as cells, before anything is known about what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mssante_audit.base.errors import InputError

MAX_ROWS = 200_000
"""A register has a row a declaration, the list some 5,000 domains: more is a mistake or an attack."""
MAX_COLUMNS = 500
HEADING_ROWS = 10
"""Headings are looked for in the first rows: some registers begin with a title."""
MAX_BYTES = 256 * 1024 * 1024
"""Of a file, unpacked."""


Recognise = Callable[[Sequence[str]], int]
"""How many of some headings are known, 0 unless the domain's is among them."""
IsHelp = Callable[[Sequence[str]], bool]
"""Whether a row is the template's row of help, which is no declaration."""
Flag = tuple[int | None, int | None, str, str]
"""What was found while reading: row, column position, kind of problem and value."""


class Number(str):
    """A number, in a file that tells numbers from texts, as it was written without what it lost."""

    __slots__ = ()


UNSEEN = object()
"""The cell of a box of which nobody can tell whether it is ticked; said in the sheet's problems."""


@dataclass
class Sheet:
    """The cells of one file."""

    file: str
    headings: list[str]
    columns: list[Any]
    """One a heading: a list of cells (None, str, `Number`, bool, datetime, date), or a Series of texts."""
    rows: np.ndarray
    """Row number of each record, as in `mssante_audit.declarations.register`."""
    heading_row: int | None = None
    problems: list[Flag] = field(default_factory=list)
    odd_characters: bool = True
    """False where the whole file was searched for control characters and cell errors, and has none."""
    lost: dict[str, str] = field(default_factory=dict)
    """Fields that should be there and were not found, with the kind of problem."""


def too_many_rows(file: str) -> InputError:
    """Return the error for a file with more than `MAX_ROWS` rows."""
    return InputError(
        f"more than {MAX_ROWS:,} rows",
        file=file,
        remedy="A register has one row a declaration; split the file",
    )


def too_big(file: str) -> InputError:
    """Return the error for a file larger than `MAX_BYTES`."""
    return InputError(f"larger than {MAX_BYTES // 1024 // 1024} MB", file=file, remedy="Split the file")
