"""Registers as XLSX: values only. Formulas and macros are never run, and are flagged; bombs are refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from io import BytesIO
from itertools import chain
from typing import Any
from zipfile import ZipFile

import numpy as np
import openpyxl
from openpyxl.utils import column_index_from_string

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.headings import is_help, recognised
from mssante_audit.declarations.read import (
    HEADING_ROWS,
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_ROWS,
    Flag,
    Sheet,
    too_big,
    too_many_rows,
)

_LAST_ROW = 1_048_576
_RATIO = 200
"""A part that unpacks to more than this many times its size, and to more than `_SMALL`, is a bomb."""
_SMALL = 16 * 1024 * 1024
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FORMULA = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"[^>]*><f[ />]')
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')


def read_xlsx(file: str, raw: bytes, mapping: Mapping[str, str], sheet: str | None) -> Sheet:
    """Read one sheet of an XLSX (or XLSM) file, the first if no name is given.

    Raises
    ------
    InputError
        If it is no XLSX file, is protected by a password, a bomb, or has no such sheet.
    """
    if raw.startswith(_OLE):
        remedy = "Save it as .xlsx without a password"
        raise InputError("an old .xls, or protected by a password", file=file, remedy=remedy)
    try:
        with ZipFile(BytesIO(raw)) as archive:
            macros = _check(file, archive)
            with warnings.catch_warnings(action="ignore"):  # of extensions that openpyxl leaves out
                book = openpyxl.load_workbook(BytesIO(raw), read_only=True, data_only=True, keep_links=False)
                return _read(file, archive, book, mapping, sheet, macros)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and openpyxl let out errors of every kind on a damaged file
        told = " ".join(str(error).split())[:200]
        message = f"not a readable .xlsx: {told}"
        raise InputError(message, file=file, remedy="Save it again as .xlsx") from None


def _check(file: str, archive: ZipFile) -> bool:
    """Refuse what is not safe to unpack, and return whether there are macros."""
    parts = archive.infolist()
    if sum(part.file_size for part in parts) > MAX_BYTES:
        raise too_big(file)
    for part in parts:
        if part.file_size > _SMALL and part.file_size > _RATIO * max(part.compress_size, 1):
            raise InputError(f"{part.filename} unpacks to far more than it holds: a zip bomb", file=file)
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                if b"<!DOCTYPE" in stream.read(4096).upper():
                    raise InputError(f"{part.filename} declares a document type", file=file)
    return any("vbaProject" in part.filename or "macrosheets" in part.filename for part in parts)


def _read(
    file: str, archive: ZipFile, book: Any, mapping: Mapping[str, str], name: str | None, macros: bool
) -> Sheet:
    names = [s.title for s in book.worksheets]
    if name is not None and name not in names:
        raise InputError(f"no sheet {name!r}", file=file, remedy=f"There are: {', '.join(names)}")
    if not names:
        raise InputError("no sheet with cells", file=file)
    sheet = book[name] if name is not None else _first(file, book, mapping)
    others = (one for one in book.worksheets if one is not sheet)
    unread = tuple(one.title for one in others if _says(file, one))
    sheet.reset_dimensions()
    numbered = enumerate(_rows(file, sheet), 1)
    first = [row for _, row in zip(range(HEADING_ROWS), numbered, strict=False)]
    headed = [[_heading(cell) for cell in row] for _, row in first]
    at = next((i for i, row in enumerate(headed) if recognised(row, mapping)), 0)
    headings = headed[at] if headed else []
    problems: list[Flag] = [(None, None, "macros", "")] if macros else []
    width = len(headings)
    records, rows = [], []
    below = first[at + 1 :]
    if below and is_help([_heading(cell) for cell in below[0][1]]):
        below = below[1:]
    for number, row in chain(below, numbered):
        if not any(cell is not None and cell != "" for cell in row):
            continue
        if len(row) < width:
            row = (*row, *(None,) * (width - len(row)))  # a row ends at its last cell
        elif len(row) > width:
            if any(cell is not None for cell in row[width:]):
                problems.append((number, None, "row-long", ""))
            row = row[:width]
        records.append(row)
        rows.append(number)
        if len(rows) > MAX_ROWS:
            raise too_many_rows(file)
    problems += _flags(file, archive, sheet, {*rows}, width)
    columns = [[_cell(cell) for cell in column] for column in zip(*records, strict=True)]
    columns = columns or [[] for _ in headings]
    numbers = np.array(rows, dtype="int64")
    whose = {"sheet": sheet.title, "unread": unread}
    return Sheet(file, headings, columns, numbers, at + 1, problems, **whose)


def _first(file: str, book: Any, mapping: Mapping[str, str]) -> Any:
    """Return the first sheet with headings that are known, or else the first: covers are passed over."""
    for sheet in book.worksheets:
        if any(recognised([_heading(cell) for cell in row], mapping) for row in _top(file, sheet)):
            return sheet
    return book.worksheets[0]


def _says(file: str, sheet: Any) -> bool:
    """Tell whether a sheet that a reader can see has anything near its head."""
    cells = (cell for row in _top(file, sheet) for cell in row)
    return sheet.sheet_state == "visible" and any(cell not in (None, "") for cell in cells)


def _top(file: str, sheet: Any) -> list[tuple[Any, ...]]:
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    return [row for _, row in zip(range(HEADING_ROWS), _rows(file, sheet), strict=False)]


def _rows(file: str, sheet: Any) -> Iterator[tuple[Any, ...]]:
    blank = 0
    for row in sheet.iter_rows(values_only=True):
        blank = 0 if row else blank + 1
        if blank > MAX_ROWS:
            raise too_many_rows(file)
        yield row[:MAX_COLUMNS]


def _flags(file: str, archive: ZipFile, sheet: Any, rows: set[int], width: int) -> list[Flag]:
    """Find formulas and merged cells, which openpyxl does not tell when it reads values row by row."""
    raw = archive.read(sheet._worksheet_path)  # its size was checked
    found: list[Flag] = []
    for letters, number in _FORMULA.findall(raw) if b"<f" in raw else ():
        at = column_index_from_string(letters.decode()) - 1
        if int(number) in rows and at < width:
            found.append((int(number), at, "formula", ""))
    for left, top, right, bottom in _MERGED.findall(raw):
        name = f"{left.decode()}{top.decode()}:{right.decode()}{bottom.decode()}"
        first, last = (column_index_from_string(letters.decode()) - 1 for letters in (left, right))
        for row in range(int(top), min(int(bottom), _LAST_ROW) + 1):
            if row in rows:
                cells = range(first, min(last + 1, width))
                found += [(row, at, "merged", name) for at in cells if (row, at) != (int(top), first)]
            if len(found) > MAX_ROWS:
                raise InputError("too many formulas and merged cells", file=file, remedy="Paste it as values")
    return found


def _heading(cell: Any) -> str:
    return " ".join(str(cell).split()) if cell is not None else ""


def _cell(cell: Any) -> Any:
    if type(cell) is float:
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell if cell is None or type(cell) in (str, datetime, bool, date) else str(cell)
