"""A file of declarations as texts in cells, of which nothing is known yet; CSV, JSON and JSON Lines.

Of CSV, encoding and separator are found out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import unguarded
from mssante_audit.base.reading import MB, parse_json
from mssante_audit.declarations.headings import HeadingRow, find_headings, is_help, recognised, resolve

MAX_ROWS = 200_000
"""A register has a row a declaration, the list some 5,000 domains: more is a mistake or an attack."""
MAX_COLUMNS = 500
HEADING_ROWS = 20
"""Headings are looked for in the first rows: some registers begin with a title, or with instructions."""
MAX_BYTES = 256 * MB
"""Of a file, unpacked."""

Flag = tuple[int | None, int | None, str, str]
"""What was found while reading: row, column position, kind of problem and value."""


@dataclass
class Sheet:
    """The cells of one file."""

    file: str
    headings: list[str]
    columns: list[pd.Series]
    """Texts, one column a heading."""
    rows: np.ndarray
    """Row number of each record, as in `mssante_audit.declarations.register`."""
    heading_row: int | None = None
    problems: list[Flag] = field(default_factory=list)
    cells: dict[tuple[int | None, int | None], str] = field(default_factory=dict)
    """By row and column position what stands in a cell whose value is lost."""
    odd: bool = True
    """Whether there may be control characters and errors of a spreadsheet in it."""
    lost: dict[str, str] = field(default_factory=dict)
    """Fields that should be there and were not found, with the kind of problem."""
    sheet: str = ""
    """Name of the sheet of a workbook that they are of."""
    unread: tuple[str, ...] = ()
    """Names of its other sheets, of which nothing was read."""


def too_many_rows(file: str) -> InputError:
    """Return the error for a file with more than `MAX_ROWS` rows."""
    remedy = "A register has one row a declaration; split the file"
    return InputError("more than {} rows", f"{MAX_ROWS:,}", file=file, remedy=remedy)


_REMARK = re.compile(
    r"\W*(?:(?:sous[ -])?tota(?:l|ux)\b|mise? [àa] jour|m[àa]j\b|nombre|nb\b|l[ée]gende|remarque|not[ae]s?\b"
    r"|source\b|[ée]dit[ée]|imprim[ée]|export|fin d|document|registre|page\b|\*)",
    re.IGNORECASE,
)


def without_remarks(sheet: Sheet, mapping: Mapping[str, str]) -> Sheet:
    """Return the cells of a table without rows that are no declarations, each of which is one problem.

    Such are headings that stand there again, and a remark, sum or date of the register below the others.
    """
    known = resolve(sheet.headings, mapping).fields
    if "domain" not in known:
        return sheet
    names = sheet.columns[known["domain"]].str.strip().str
    unlikely = ~names.contains(".", regex=False) | names.contains(" ", regex=False)
    if not unlikely.any():
        return sheet
    lost = {row for row, _ in sheet.cells}
    dropped: list[int] = []
    why: dict[int, str] = {}
    rows = zip(*(column[unlikely].tolist() for column in sheet.columns), strict=True)
    for at, cells in zip(np.flatnonzero(unlikely).tolist(), rows, strict=True):
        filled = [cell for cell in map(str.strip, cells) if cell]
        short = len(filled) <= 2 and (2 * len(filled) < len(known) or _REMARK.match(filled[0]))
        again = recognised(cells, mapping) > len(known) / 2
        if (short or again) and sheet.rows[at] not in lost:
            dropped.append(at)
            why[int(sheet.rows[at])] = "headings-again" if again else "remark" if filled else ""
    if dropped:
        sheet.problems = [problem for problem in sheet.problems if problem[0] not in why]
        sheet.problems += [(row, None, kind, "") for row, kind in why.items() if kind]
        sheet.columns = [column.drop(index=dropped).reset_index(drop=True) for column in sheet.columns]
        sheet.rows = np.delete(sheet.rows, dropped)
    return sheet


SEPARATORS = ";,\t|"
CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
ODD = re.compile(f"#|{CONTROL}")


def utf8(file: str, raw: bytes) -> bytes:
    """Return a text file as UTF-8 without its mark; it may be UTF-8, UTF-16 with its mark, or Excel's cp1252.

    One that is none of them, or holds a NUL character, is an `InputError`.
    """
    remedy = "Save it as « CSV UTF-8 » or as .xlsx"
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError:
            raise InputError("neither UTF-8, UTF-16 nor Windows text", file=file, remedy=remedy) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError("a NUL character, which no register holds", file=file, line=line, remedy=remedy)
    return text.encode().removeprefix(b"\xef\xbb\xbf")


def read_csv(file: str, raw: bytes, mapping: Mapping[str, str]) -> Sheet:
    """Read a CSV file.

    The separator is the one under which most headings are known. Every row comes out: one with too few or
    too many cells is padded or cut, and flagged. The apostrophes that `mssante_audit.base.export` puts where
    a formula would start are taken off again.
    """
    content = utf8(file, raw)
    separator, heading, start = _layout(content, mapping)
    content = content[start:].rstrip(b"\r\n")
    if not content:
        raise InputError("empty file", file=file)
    width, below = len(heading.headings), heading.last + 1
    if width > MAX_COLUMNS:
        raise InputError("more than {} columns", MAX_COLUMNS, file=file, line=below)
    problems: list[Flag] = []
    lines = list(_lines(file, content.decode(), separator))
    for number, line in enumerate(lines[below:], below + 1):
        if len(line) != width and any(line):
            problems.append((number, None, "row-long" if len(line) > width else "row-short", ""))
    frame = pd.DataFrame([line[:width] + [""] * (width - len(line)) for line in lines], dtype="str")
    if below < len(frame) and is_help(frame.iloc[below].tolist()):
        below += 1
    frame = frame.iloc[below:]
    filled = np.logical_or.reduce([(frame[name] != "").to_numpy(bool) for name in frame])
    rows = np.flatnonzero(filled) + below + 1
    if len(rows) > MAX_ROWS:
        raise too_many_rows(file)
    frame = frame[filled].reset_index(drop=True)
    columns = [_unguarded(frame[name]) for name in frame]
    headings = [" ".join(cell.split()) for cell in heading.headings]
    odd = bool(ODD.search(content.decode()))
    return without_remarks(Sheet(file, headings, columns, rows, heading.last + 1, problems, odd=odd), mapping)


def _unguarded(column: pd.Series) -> pd.Series:
    guarded = column.str.contains("'", regex=False)
    return column.mask(guarded, column[guarded].map(unguarded)) if guarded.any() else column


def _layout(content: bytes, mapping: Mapping[str, str]) -> tuple[str, HeadingRow, int]:
    """Return the separator, where the headings are, and where the text proper starts."""
    named = re.match(rb'"?sep=(.)"?\r?\n', content, re.IGNORECASE)
    start = named.end() if named else 0
    text = content[start : start + 200_000].decode(errors="replace")
    tried = []
    for separator in named[1].decode() if named else SEPARATORS:
        rows: list[list[str]] = []
        with suppress(csv.Error):
            rows += islice(csv.reader(StringIO(text, newline=""), delimiter=separator), HEADING_ROWS)
        tried.append((separator, find_headings(rows, mapping)))
    separator, heading = max(tried, key=lambda t: (t[1].known, text[:4096].count(t[0])))
    return separator, heading, start


def _lines(file: str, body: str, separator: str) -> Iterator[list[str]]:
    """Yield the rows of a file; too many, or a quote that is never closed, are an `InputError`."""
    reader = csv.reader(StringIO(body, newline=""), delimiter=separator, strict=True)
    filled = 0
    try:
        for number, row in enumerate(reader):
            filled += any(row)
            if filled > MAX_ROWS + HEADING_ROWS or number > 5 * MAX_ROWS:
                raise too_many_rows(file)
            yield row
    except csv.Error:
        remedy = "A quote may not be closed"
        raise InputError("not CSV", file=file, line=reader.line_num, remedy=remedy) from None


def read_json(file: str, raw: bytes) -> Sheet:
    """Read a JSON file: a list of records, or an object whose ``declarations`` is one."""
    content = _parse(file, utf8(file, raw).decode())
    if isinstance(content, _Record):
        content = dict(content.pairs).get("declarations")
    if not isinstance(content, list):
        remedy = 'Write [{"domain": "…", …}, …], or one record a line as .jsonl'
        raise InputError("not a list of records", file=file, remedy=remedy)
    return _records(file, list(enumerate(content, 1)), [])


def read_jsonl(file: str, raw: bytes) -> Sheet:
    """Read JSON Lines: a record a line; a line that is none is flagged, and the rest is read."""
    lines: list[tuple[int, Any]] = []
    problems: list[Flag] = []
    for number, line in enumerate(utf8(file, raw).decode().split("\n"), 1):
        if not line.strip():
            continue
        try:
            lines.append((number, _parse(file, line)))
        except InputError:
            problems.append((number, None, "record", ""))
        if len(lines) + len(problems) > MAX_ROWS:
            raise too_many_rows(file)
    if not lines and problems:
        raise InputError("no line is JSON", file=file, line=problems[0][0])
    return _records(file, lines, problems)


@dataclass(slots=True)
class _Record:
    """A JSON object with its keys as they stand, repeated ones too."""

    pairs: list[tuple[str, Any]]


def _parse(file: str, text: str) -> Any:
    plain = {"parse_int": str, "parse_constant": str, "parse_float": lambda text: text.removesuffix(".0")}
    return parse_json(text, file, object_pairs_hook=_Record, **plain)


def _records(file: str, records: list[tuple[int, Any]], problems: list[Flag]) -> Sheet:
    if len(records) > MAX_ROWS:
        raise too_many_rows(file)
    places: dict[str, int] = {}
    filled: dict[int, dict[int, str]] = {}
    for row, record in records:
        if not isinstance(record, _Record):
            problems.append((row, None, "record", ""))
            continue
        cells: dict[int, str] = {}
        for key, value in record.pairs:
            at = places.setdefault(_text(key), len(places))
            if at in cells:
                problems.append((row, at, "key-twice", ""))
            elif isinstance(value, list | _Record):
                problems.append((row, at, "nested", ""))
            else:
                cells[at] = _text(value)
        filled[row] = cells
    if len(places) > MAX_COLUMNS:
        raise InputError("more than {} different keys", MAX_COLUMNS, file=file)
    columns = [pd.Series([c.get(at, "") for c in filled.values()], dtype="str") for at in range(len(places))]
    return Sheet(file, list(places), columns, np.array(list(filled), dtype="int64"), None, problems)


def _text(value: str | bool | None) -> str:
    """Return a value as a spreadsheet would show it, half a character as JSON writes it."""
    if value is None or isinstance(value, bool):
        return {True: "TRUE", False: "FALSE", None: ""}[value]
    return value.encode("utf-8", "backslashreplace").decode()
