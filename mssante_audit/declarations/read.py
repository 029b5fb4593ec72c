"""A file of declarations as cells, before anything is known about what they mean; CSV, JSON and JSON Lines.

Of CSV, encoding and separator are found out.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.headings import is_help, recognised

MAX_ROWS = 200_000
"""A register has a row a declaration, the list some 5,000 domains: more is a mistake or an attack."""
MAX_COLUMNS = 500
HEADING_ROWS = 10
"""Headings are looked for in the first rows: some registers begin with a title."""
MAX_BYTES = 256 * 1024 * 1024
"""Of a file, unpacked."""

Flag = tuple[int | None, int | None, str, str]
"""What was found while reading: row, column position, kind of problem and value."""


UNSEEN = object()
"""The cell of a box of which nobody can tell whether it is ticked; said in the sheet's problems."""


@dataclass
class Sheet:
    """The cells of one file."""

    file: str
    headings: list[str]
    columns: list[Any]
    """One a heading: a list of cells (None, str, bool, datetime, date), or a Series of texts."""
    rows: np.ndarray
    """Row number of each record, as in `mssante_audit.declarations.register`."""
    heading_row: int | None = None
    problems: list[Flag] = field(default_factory=list)
    odd_characters: bool = True
    """False where the whole file was searched for control characters and cell errors, and has none."""
    lost: dict[str, str] = field(default_factory=dict)
    """Fields that should be there and were not found, with the kind of problem."""
    sheet: str = ""
    """Name of the sheet of a workbook that they are of."""
    unread: tuple[str, ...] = ()
    """Names of its other sheets, of which nothing was read."""


def too_many_rows(file: str) -> InputError:
    """Return the error for a file with more than `MAX_ROWS` rows."""
    remedy = "A register has one row a declaration; split the file"
    return InputError(f"more than {MAX_ROWS:,} rows", file=file, remedy=remedy)


def too_big(file: str) -> InputError:
    """Return the error for a file larger than `MAX_BYTES`."""
    return InputError(f"larger than {MAX_BYTES // 1024 // 1024} MB", file=file, remedy="Split the file")


SEPARATORS = ";,\t|"

_APOSTROPHE = re.compile(r"""^'(?=[\s"']*[=+\-@＝＋－＠]|[\t\r\n])""")
_PLAIN = bytes(set(range(256)) - {*range(9), 11, 12, *range(14, 32), 127, *b"\n\"'#\xe2\xef"})
"""All bytes of UTF-8 but those of control and invisible characters, of cell errors, line ends and quotes:
one pass over the file without them tells whether its cells need a closer look."""


def utf8(file: str, raw: bytes) -> bytes:
    """Return a text file as UTF-8 without its mark; it may be UTF-8, UTF-16 with its mark, or Excel's cp1252.

    Raises
    ------
    InputError
        If it is none of them, or holds a NUL character.
    """
    if len(raw) > MAX_BYTES:
        raise too_big(file)
    remedy = "Save it as « CSV UTF-8 » or as .xlsx"
    try:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raw = raw.decode("utf-16").encode()
        else:
            pa.array([raw]).cast(pa.string())  # the quickest check that it is UTF-8
    except (UnicodeDecodeError, pa.ArrowInvalid):
        try:
            raw = raw.decode("cp1252").encode()
        except UnicodeDecodeError:
            raise InputError("neither UTF-8, UTF-16 nor Windows text", file=file, remedy=remedy) from None
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise InputError("a NUL character, which no register holds", file=file, line=line, remedy=remedy)
    return raw.removeprefix(b"\xef\xbb\xbf")


def read_csv(file: str, raw: bytes, mapping: Mapping[str, str]) -> Sheet:
    """Read a CSV file.

    The separator is the one under which most headings are known. Every row comes out: one with too few or
    too many cells is padded or cut, and flagged. The leading apostrophe that `mssante_audit.base.export` puts
    before a cell that would be a formula is taken off again.

    Raises
    ------
    InputError
        If the text cannot be decoded, a quote is never closed, or there are too many rows.
    """
    content = utf8(file, raw)
    separator, heading, first, told = _layout(content, mapping)
    if told or content.endswith((b"\n\n", b"\n\r\n", b"\r\r")):  # to copy megabytes takes its time
        content = content[told:].rstrip(b"\r\n")
    if not content:
        raise InputError("empty file", file=file)
    marks = content.translate(None, _PLAIN)
    if marks.count(b"\n") - marks.count(b'"') > MAX_ROWS + HEADING_ROWS:
        raise too_many_rows(file)
    if len(first) > MAX_COLUMNS:
        raise InputError(f"more than {MAX_COLUMNS} columns", file=file, line=heading + 1)
    frame = None if marks.count(b'"') % 2 else _arrow_frame(content, separator, len(first))
    problems: list[Flag] = []
    if frame is None:
        frame, problems = _python_frame(file, content.decode(), separator, len(first), heading)
    headings = [" ".join(str(cell).split()) for cell in frame.iloc[heading]]
    below = heading + 1
    if below < len(frame) and is_help(frame.iloc[below].tolist()):
        below += 1
    frame = frame.iloc[below:]
    filled = _filled(frame)
    rows = np.flatnonzero(filled) + below + 1
    if len(rows) > MAX_ROWS:
        raise too_many_rows(file)
    frame = (frame if filled.all() else frame[filled]).reset_index(drop=True)
    columns = [frame[name] for name in frame]
    if b"'" in marks and _escaped(content, separator):
        columns = [column.str.replace(_APOSTROPHE, "", regex=True) for column in columns]
    odd = bool(marks.strip(b"\n\"'"))
    return Sheet(file, headings, columns, rows.astype("int64"), heading + 1, problems, odd_characters=odd)


def _filled(frame: pd.DataFrame) -> np.ndarray:
    filled = np.zeros(len(frame), dtype=bool)
    for name in frame:
        if not filled.all():
            filled |= (frame[name] != "").to_numpy()
    return filled


def _escaped(raw: bytes, separator: str) -> bool:
    """Tell whether a cell may start with an apostrophe."""
    starts = (separator.encode(), b'"', b"\n")
    at = raw.find(b"'", 1)
    while at > 0 and raw[at - 1 : at] not in starts:
        at = raw.find(b"'", at + 1)
    return at > 0


def _layout(content: bytes, mapping: Mapping[str, str]) -> tuple[str, int, list[str], int]:
    """Return the separator, the heading row's position and cells, and where the text proper starts."""
    told = re.match(rb'"?sep=(.)"?\r?\n', content, re.IGNORECASE)
    start = told.end() if told else 0
    text = content[start : start + 200_000].decode(errors="replace")
    tried = [_heading(text, s, mapping) for s in (told[1].decode() if told else SEPARATORS)]
    _, separator, at, row = max(tried, key=lambda t: (t[0], text[:4096].count(t[1])))
    return separator, at, row, start


def _heading(text: str, separator: str, mapping: Mapping[str, str]) -> tuple[int, str, int, list[str]]:
    """Return how many headings are known, where they are, and which: the first row that has any, or row 0."""
    top: list[str] = []
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
        for at, row in zip(range(HEADING_ROWS), reader, strict=False):
            top = top or row
            if known := recognised(row, mapping):
                return known, separator, at, row
    except csv.Error:
        pass
    return 0, separator, 0, top


def _arrow_frame(content: bytes, separator: str, width: int) -> pd.DataFrame | None:
    """Read a regular file fast; None if any row is not `width` cells wide."""
    if width < 2:  # a blank line would be a row of one cell
        return None
    names = [str(at) for at in range(width)]
    try:
        whole = pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1)
        lines = {"newlines_in_values": True, "ignore_empty_lines": False}
        parse = pyarrow.csv.ParseOptions(delimiter=separator, **lines)
        types = dict.fromkeys(names, pa.large_string())
        convert = pyarrow.csv.ConvertOptions(column_types=types, check_utf8=False)  # `utf8` did
        table = pyarrow.csv.read_csv(pa.BufferReader(content), whole, parse, convert)
    except pa.ArrowInvalid:
        return None
    return cast(pd.DataFrame, table.to_pandas())


def _python_frame(
    file: str, body: str, separator: str, width: int, heading: int
) -> tuple[pd.DataFrame, list[Flag]]:
    reader = csv.reader(StringIO(body, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    problems: list[Flag] = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > MAX_ROWS + HEADING_ROWS:
                raise too_many_rows(file)
            if len(rows) > heading + 1 and len(row) != width and any(row):
                problems.append((len(rows), None, "row-long" if len(row) > width else "row-short", ""))
    except csv.Error as error:
        remedy = "A quote may not be closed"
        raise InputError(f"not CSV: {error}", file=file, line=reader.line_num, remedy=remedy) from None
    padded = [row[:width] + [""] * (width - len(row)) for row in rows]
    return pd.DataFrame(padded, dtype="str"), problems


def read_json(file: str, raw: bytes) -> Sheet:
    """Read a JSON file: a list of records, or an object whose ``declarations`` is one.

    Raises
    ------
    InputError
        If it is not JSON, or no such list.
    """
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
        except InputError as error:
            problems.append((number, None, "record", error.message))
    if not lines and problems:
        raise InputError(f"no line is JSON: {problems[0][3]}", file=file, line=problems[0][0])
    return _records(file, lines, problems)


@dataclass(slots=True)
class _Record:
    """A JSON object with its keys as they stand, repeated ones too."""

    pairs: list[tuple[str, Any]]


def _parse(file: str, text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_Record,
            parse_int=str,
            parse_float=lambda digits: digits.removesuffix(".0"),
            parse_constant=str,
        )
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=file, line=error.lineno) from None
    except RecursionError:
        raise InputError("not a register: nested too deeply", file=file) from None


def _whole(text: str) -> str:
    """Return a text that a frame can hold: half a character, which JSON can write, as JSON writes it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _records(file: str, records: list[tuple[int, Any]], problems: list[Flag]) -> Sheet:
    if len(records) > MAX_ROWS:
        raise too_many_rows(file)
    places: dict[str, int] = {}
    filled: list[tuple[int, dict[int, Any]]] = []
    for row, record in records:
        if not isinstance(record, _Record):
            problems.append((row, None, "record", f"{type(record).__name__}"))
            continue
        cells: dict[int, Any] = {}
        for key, value in record.pairs:
            at = places.setdefault(_whole(key), len(places))
            if at in cells:
                problems.append((row, at, "key-twice", ""))
            elif isinstance(value, list | _Record):
                problems.append((row, at, "nested", ""))
            else:
                cells[at] = _whole(value) if type(value) is str else value
        filled.append((row, cells))
    if len(places) > MAX_COLUMNS:
        raise InputError(f"more than {MAX_COLUMNS} different keys", file=file)
    columns = [[cells.get(at) for _, cells in filled] for at in range(len(places))]
    rows = np.array([row for row, _ in filled], dtype="int64")
    return Sheet(file, list(places), columns, rows, None, problems)
