"""Registers as XLSX: values only. Formulas and macros are never run, and are flagged; bombs are refused."""

import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime, time
from io import BytesIO
from itertools import islice
from typing import Any
from zipfile import ZipFile

import openpyxl
from lxml import etree
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.utils import get_column_letter, range_boundaries

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import MB
from mssante_audit.declarations import read as reading
from mssante_audit.declarations.headings import find_headings
from mssante_audit.declarations.read import MAX_BYTES, MAX_ROWS, Problem, Sheet, too_many_rows

# A part that unpacks to more than `_RATIO` times its size, and to more than `_SMALL`, is a bomb.
_RATIO, _SMALL = 200, 16 * MB
_STYLED = ("/styles.xml", "/sharedStrings.xml")  # parts that say what is struck through
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
Formulas = dict[tuple[int, int], str | None]  # by row and column position, the text of those without result
Merged = set[tuple[int, int, int, int]]  # left, top, right, bottom
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
            parts = (archive.read(name) for name in archive.namelist() if name.endswith(_STYLED))
            styled = any(b"<strike" in part for part in parts)
            options = {"read_only": True, "data_only": True, "keep_links": False, "rich_text": styled}
            with warnings.catch_warnings(action="ignore"):  # of extensions that openpyxl leaves out
                book = openpyxl.load_workbook(BytesIO(raw), **options)
                read = _read(file, archive, book, mapping, sheet, styled=styled)
            if any("vbaProject" in name or "macrosheets" in name for name in archive.namelist()):
                read.problems.append(Problem(None, None, "macros"))
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


def _read(
    file: str, archive: ZipFile, book: Any, mapping: Mapping[str, str], name: str | None, *, styled: bool
) -> Sheet:
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
    visible_titles = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    of_register = [title for title in visible_titles if headings[title].recognised] or headings
    chosen = name if name is not None else max(of_register, key=lambda title: headings[title].recognised)
    heading = headings[chosen]
    read = Sheet(file, heading.headings, heading_row=heading.last + 1, sheet=chosen)
    read.unread = tuple(title for title in visible_titles if title != chosen and any(map(any, tops[title])))
    formulas, merged = _marks(file, archive.read(book[chosen]._worksheet_path))  # its size was checked
    unsolved = {row for (row, _), text in formulas.items() if text is not None}
    read.fill(_cells(read, _rows(file, book[chosen], values_only=not styled), unsolved, styled), unsolved)
    _flag(read, formulas, merged)
    return read


def _rows(file: str, sheet: Any, *, values_only: bool) -> Iterator[tuple[Any, ...]]:
    blank = size = 0
    for row in sheet.iter_rows(values_only=values_only):
        blank = 0 if row else blank + 1
        if blank > MAX_ROWS:
            raise too_many_rows(file)
        texts = (getattr(cell, "value", cell) for cell in row)
        size += sum(len(_text(text)) for text in texts if isinstance(text, str | CellRichText))
        if size > MAX_BYTES:  # many cells may share one long text
            raise _too_large(file)
        yield row[: reading.MAX_COLUMNS]


def _cells(
    read: Sheet, rows: Iterable[tuple[Any, ...]], unsolved: Container[int], styled: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows below the headings as texts; what is struck through is lost."""
    width, first = len(read.headings), (read.heading_row or 0) + 1
    for number, row in enumerate(islice(rows, first - 1, None), first):
        struck: dict[int, Any] = {}
        if styled:  # the cells themselves
            struck = {at: c.value for at, c in enumerate(row) if c.value not in (None, "") and _struck(c)}
            row = tuple(None if at in struck else cell.value for at, cell in enumerate(row))
        texts = [_text(value) for value in row]
        if any(texts[width:]):
            read.problems.append(Problem(number, None, "row-long"))
        if struck and not any(texts):
            read.problems.append(Problem(number, None, "struck-row"))
        if any(texts) or number in unsolved:
            cells = {at: f"#N/A {_text(value)}" for at, value in struck.items()}
            read.problems += [Problem(number, at, "struck-cell", cell=cell) for at, cell in cells.items()]
        yield number, texts


def _struck(cell: Any) -> bool:
    """Tell whether a cell, or a part of its text, is struck through."""
    parts = cell.value if isinstance(cell.value, CellRichText) else ()
    return cell.font.strike or any(isinstance(part, TextBlock) and part.font.strike for part in parts)


def _marks(file: str, raw: bytes) -> tuple[Formulas, Merged]:
    """Return formulas and merged cells, of which openpyxl tells nothing when it reads row by row."""
    formulas, merged = Formulas(), Merged()
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
    rows, width = list(read.rows), len(read.headings)
    for (row, at), text in formulas.items():
        if row in read.rows and at < width:
            kind, cell = ("formula", "") if text is None else ("formula-unsolved", f"#N/A ={text}")
            read.problems.append(Problem(row, at, kind, cell=cell))
    for left, top, right, bottom in sorted(merged):
        name = f"{get_column_letter(left + 1)}{top}:{get_column_letter(right + 1)}{bottom}"
        for row in rows[bisect_left(rows, top) : bisect_right(rows, bottom)]:
            cells = range(left, min(right + 1, width))
            read.problems += [Problem(row, at, "merged", name) for at in cells if (row, at) != (top, left)]
            if len(read.problems) > MAX_ROWS:  # where they overlap
                raise _too_many_marks(read.file)


def _too_large(file: str) -> InputError:
    return InputError("larger than {} MB", MAX_BYTES // MB, file=file, remedy="Split the file")


def _too_many_marks(file: str) -> InputError:
    return InputError("too many formulas and merged cells", file=file, remedy="Paste it as values")


def _text(cell: Any) -> str:
    """Return a cell as a spreadsheet would show it, a day as ISO 8601."""
    if cell is None or type(cell) in (str, CellRichText):
        return str(cell or "").replace("_x000D_\n", "\n")  # a line that ended as in Windows
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)
