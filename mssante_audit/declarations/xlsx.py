"""Registers as XLSX: values only. Formulas and macros are never run, and are flagged; bombs are refused."""

import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Mapping
from datetime import datetime, time
from io import BytesIO
from itertools import islice
from typing import Any
from zipfile import ZipFile

import numpy as np
import openpyxl
import pandas as pd
from lxml import etree
from openpyxl.utils import get_column_letter, range_boundaries

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import MB
from mssante_audit.declarations import read as reading
from mssante_audit.declarations.headings import find_headings, is_help
from mssante_audit.declarations.read import MAX_BYTES, MAX_ROWS, Sheet, too_many_rows

_RATIO, _SMALL = 200, 16 * MB
"""A part that unpacks to more than `_RATIO` times its size, and to more than `_SMALL`, is a bomb."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
Formulas = dict[tuple[int, int], str | None]
"""By row and column position; the text of those without a result."""
Merged = set[tuple[int, int, int, int]]
"""Left, top, right, bottom."""
_MARKED = re.compile(rb"<(?:\w+:)?(?:f|mergeCell)[ />]")


def read_xlsx(file: str, raw: bytes, mapping: Mapping[str, str], sheet: str | None) -> Sheet:
    """Read one sheet of an XLSX (or XLSM) file: that with most known headings if no name is given.

    One that is no XLSX file, is protected by a password, a bomb, or has no such sheet is an `InputError`.
    """
    if raw.startswith(_OLE):
        remedy = "Save it as .xlsx without a password"
        raise InputError("an old .xls, or protected by a password", file=file, remedy=remedy)
    try:
        with ZipFile(BytesIO(raw)) as archive:
            _check(file, archive)
            with warnings.catch_warnings(action="ignore"):  # of extensions that openpyxl leaves out
                book = openpyxl.load_workbook(BytesIO(raw), read_only=True, data_only=True, keep_links=False)
                read = _read(file, archive, book, mapping, sheet)
            if any("vbaProject" in name or "macrosheets" in name for name in archive.namelist()):
                read.problems.append((None, None, "macros", ""))
    except InputError:
        raise
    except Exception:  # zipfile, zlib and openpyxl let out errors of every kind on a damaged file
        raise InputError("not a readable .xlsx", file=file, remedy="Save it again as .xlsx") from None
    return reading.without_remarks(read, mapping)


def _check(file: str, archive: ZipFile) -> None:
    """Refuse what is not safe to unpack."""
    parts = archive.infolist()
    if sum(part.file_size for part in parts) > MAX_BYTES:
        raise _too_large(file)
    for part in parts:
        if part.file_size > _SMALL and part.file_size > _RATIO * max(part.compress_size, 1):
            raise InputError("{} unpacks to far more than it holds: a zip bomb", part.filename, file=file)
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                if b"<!DOCTYPE" in stream.read(4096).upper():
                    raise InputError("{} declares a document type", part.filename, file=file)


def _read(file: str, archive: ZipFile, book: Any, mapping: Mapping[str, str], name: str | None) -> Sheet:
    tops: dict[str, list[list[str]]] = {}
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        rows = islice(_rows(file, sheet, values_only=True), reading.HEADING_ROWS)
        tops[sheet.title] = [[" ".join(_text(cell).split()) for cell in row] for row in rows]
    if name is not None and name not in tops:
        raise InputError("no sheet {}", repr(name), file=file, remedy=("There are: {}", ", ".join(tops)))
    if not tops:
        raise InputError("no sheet with cells", file=file)
    headings = {title: find_headings(top, mapping) for title, top in tops.items()}
    chosen = name if name is not None else max(headings, key=lambda title: headings[title].known)
    heading = headings[chosen]
    shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    read = Sheet(file, heading.headings, [], np.array([]), heading.last + 1, sheet=chosen)
    read.unread = tuple(title for title in shown if title != chosen and any(map(any, tops[title])))
    formulas, merged = _marks(file, archive.read(book[chosen]._worksheet_path))  # its size was checked
    styles = [archive.read(part) for part in archive.namelist() if part.endswith("/styles.xml")]
    styled = any(b"<strike" in style for style in styles)
    unsolved = {row for (row, _), text in formulas.items() if text is not None}
    _cells(read, _rows(file, book[chosen], values_only=not styled), unsolved, styled=styled)
    _flag(read, formulas, merged)
    return read


def _rows(file: str, sheet: Any, *, values_only: bool) -> Iterator[tuple[Any, ...]]:
    blank = size = 0
    for row in sheet.iter_rows(values_only=values_only):
        blank = 0 if row else blank + 1
        if blank > MAX_ROWS:
            raise too_many_rows(file)
        texts = (getattr(cell, "value", cell) for cell in row)
        size += sum(len(text) for text in texts if isinstance(text, str))
        if size > MAX_BYTES:  # many cells may share one long text
            raise _too_large(file)
        yield row[: reading.MAX_COLUMNS]


def _cells(read: Sheet, every: Iterator[tuple[Any, ...]], unsolved: Container[int], *, styled: bool) -> None:
    """Read the rows below the headings; of those `unsolved` a cell is lost, though it is empty."""
    width, first = len(read.headings), (read.heading_row or 0) + 1
    rows: list[tuple[Any, ...]] = []
    numbers: list[int] = []
    for number, row in enumerate(islice(every, first - 1, None), first):
        values, struck = row, {}
        if styled:  # the cells themselves, of which those struck through hold nothing
            struck = {at: c.value for at, c in enumerate(row) if c.value not in (None, "") and c.font.strike}
            values = tuple(None if at in struck else cell.value for at, cell in enumerate(row))
        filled = any(value is not None and value != "" for value in values)
        if struck and not filled:
            read.problems.append((number, None, "struck-row", ""))
        if not filled and number not in unsolved:
            continue
        if number == first and is_help([_text(value) for value in values]):
            continue
        if any(value is not None for value in values[width:]):
            read.problems.append((number, None, "row-long", ""))
        for at, value in struck.items():
            read.problems.append((number, at, "struck-cell", ""))
            read.cells[number, at] = f"#N/A {_text(value)}"
        rows.append((*values[:width], *(None,) * (width - len(values))))  # a row ends at its last cell
        numbers.append(number)
        if len(rows) > MAX_ROWS:
            raise too_many_rows(read.file)
    columns = zip(*rows, strict=True) if rows else [()] * width
    read.columns = [pd.Series([_text(cell) for cell in cells], dtype="str") for cells in columns]
    read.rows = np.array(numbers, dtype="int64")


def _marks(file: str, raw: bytes) -> tuple[dict[tuple[int, int], str | None], set[tuple[int, int, int, int]]]:
    """Return formulas (with the text of those without a result), and merged cells (left, top, right, bottom).

    openpyxl does not tell of them when it reads values row by row.
    """
    formulas: dict[tuple[int, int], str | None] = {}
    merged: set[tuple[int, int, int, int]] = set()
    if not _MARKED.search(raw):
        return formulas, merged
    options: Any = {"resolve_entities": False, "no_network": True, "huge_tree": True}
    count = 0
    for _, element in etree.iterparse(BytesIO(raw), tag=("{*}c", "{*}mergeCell"), **options):
        formula, merge = element.find("{*}f"), element.get("ref", "")
        if formula is not None or merge:
            place = range_boundaries(merge or element.get("r", "A1"))
            left, top, right, bottom = (number or 0 for number in place)
            if merge:
                merged.add((left - 1, top, right - 1, bottom))
            elif formula is not None:
                result = element.findtext("{*}v") or element.findtext("{*}is//{*}t")
                formulas[top, left - 1] = None if result else formula.text or ""
            count += 1
        element.clear()
        if count > MAX_ROWS:
            raise _too_many_marks(file)
    return formulas, merged


def _flag(read: Sheet, formulas: Formulas, merged: Merged) -> None:
    """Add the problems of formulas and merged cells in the rows that were read."""
    rows, width = read.rows.tolist(), len(read.headings)
    known = set(rows)
    for (row, at), text in formulas.items():
        if row in known and at < width:
            read.problems.append((row, at, "formula" if text is None else "formula-unsolved", ""))
            if text is not None:
                read.cells[row, at] = f"#N/A ={text}"
    for left, top, right, bottom in sorted(merged):
        name = f"{get_column_letter(left + 1)}{top}:{get_column_letter(right + 1)}{bottom}"
        for row in rows[bisect_left(rows, top) : bisect_right(rows, bottom)]:
            cells = range(left, min(right + 1, width))
            read.problems += [(row, at, "merged", name) for at in cells if (row, at) != (top, left)]
            if len(read.problems) > MAX_ROWS:  # where they overlap
                raise _too_many_marks(read.file)


def _too_large(file: str) -> InputError:
    return InputError("larger than {} MB", MAX_BYTES // MB, file=file, remedy="Split the file")


def _too_many_marks(file: str) -> InputError:
    return InputError("too many formulas and merged cells", file=file, remedy="Paste it as values")


def _text(cell: Any) -> str:
    """Return a cell as a spreadsheet would show it, a day as ISO 8601."""
    if cell is None or type(cell) is str:
        return cell or ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)
