"""A file of declarations as texts in cells, of which nothing is known yet; CSV, JSON and JSON Lines."""

import csv
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from typing import Any, NamedTuple

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import unguarded
from mssante_audit.base.reading import MB, parse_json
from mssante_audit.declarations.headings import find_headings, is_help, recognised, resolve

MAX_ROWS, MAX_COLUMNS = 200_000, 500  # the list has some 5,000 domains: more is a mistake or an attack
HEADING_ROWS = 20  # headings are looked for in the first rows, below a title or instructions
MAX_BYTES = 256 * MB  # of a file, unpacked


class Problem(NamedTuple):
    """One thing that could not be read, or that was read with a doubt."""

    row: int | None  # None for what concerns the whole file
    column: int | str | None  # its place, until the field in it is known
    kind: str
    value: str = ""  # the cell, but never one that names a person
    cell: str = ""  # of a value that is lost the cell, whatever it names: to be written again, never shown


@dataclass
class Sheet:
    """The cells of one file."""

    file: str
    headings: list[str]
    rows: dict[int, list[str]] = field(default_factory=dict)  # by number, a text for each heading
    heading_row: int | None = None
    problems: list[Problem] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)  # field that was not found → kind of problem
    sheet: str = ""  # of a workbook, the name of the sheet read, and those of which nothing was
    unread: tuple[str, ...] = ()

    def fill(self, rows: Iterable[tuple[int, list[str]]], always: Container[int] = ()) -> None:
        """Take the rows below the headings, cut or padded, but for empty ones that need not `always` be kept.

        The template's row of help is left out; too many rows are an `InputError`.
        """
        width, first = len(self.headings), (self.heading_row or 0) + 1
        for number, cells in rows:
            texts = cells if len(cells) == width else [*cells[:width], *[""] * (width - len(cells))]
            if number < first or (number == first and is_help(texts)):
                continue
            if any(texts) or number in always:
                self.rows[number] = texts
            if len(self.rows) > MAX_ROWS:
                raise too_many_rows(self.file)


def too_many_rows(file: str) -> InputError:
    """Return the error for a file with more than `MAX_ROWS` rows."""
    remedy = "A register has one row a declaration; split the file"
    return InputError("more than {} rows", f"{MAX_ROWS:,}", file=file, remedy=remedy)


_REMARK = re.compile(
    r"\W*(?:(?:sous[ -])?tota(?:l|ux)\b|mise? [àa] jour|m[àa]j\b|nombre|nb\b|l[ée]gende|remarque|not[ae]s?\b"
    r"|source\b|[ée]dit[ée]|imprim[ée]|export|fin d|document|registre|page\b|\*"
    r"|(?:valid|v[ée]rifi|arr[êe]t)[ée]e? (?:par|le|au)\b)",
    re.IGNORECASE,
)
_SUM = re.compile(r"[0-9 ]{1,7}")


def without_remarks(sheet: Sheet, mapping: Mapping[str, str]) -> Sheet:
    """Leave out rows that are no declarations: headings again; a remark, sum or date of the register."""
    fields = resolve(sheet.headings, mapping).fields
    unreadable = {problem.row for problem in sheet.problems if problem.cell}
    dropped: dict[int, str] = {}  # row → kind of problem, "" for none
    for row, cells in sheet.rows.items() if "domain" in fields else ():
        name = cells[fields["domain"]].strip()
        if row in unreadable or ("." in name and " " not in name):
            continue
        filled = [cell for cell in map(str.strip, cells) if cell]
        few, sums = 2 * len(filled) < len(fields), all(map(_SUM.fullmatch, filled[1:]))
        remark = _REMARK.match(" ".join(filled[:1]))
        short = ((few or remark) and len(filled) <= 2) or (remark and (sums or (few and len(filled) <= 4)))
        is_heading = recognised(cells, mapping) > len(fields) / 2
        if short or is_heading:
            dropped[row] = "headings-again" if is_heading else "remark" if filled else ""
    sheet.problems = [problem for problem in sheet.problems if problem.row not in dropped]
    sheet.problems += [Problem(row, None, kind) for row, kind in dropped.items() if kind]
    sheet.rows = {row: cells for row, cells in sheet.rows.items() if row not in dropped}
    return sheet


SEPARATORS = ";,\t|"
CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"


def _decoded(file: str, raw: bytes) -> str:
    """Return a text file without its mark; it may be UTF-8, UTF-16 with its mark, or Excel's cp1252."""
    remedy = "Save it as « CSV UTF-8 » or as .xlsx"
    unicode = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    for encoding in (unicode, "cp1252"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            break
    else:
        raise InputError("neither UTF-8, UTF-16 nor Windows text", file=file, remedy=remedy)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError("a NUL character, which no register holds", file=file, line=line, remedy=remedy)
    return text.removeprefix("\ufeff")


def read_csv(file: str, raw: bytes, mapping: Mapping[str, str]) -> Sheet:
    """Read a CSV file; the separator is the one under which most headings are known.

    Every row comes out: one with too few or too many cells is flagged. The apostrophes that
    `mssante_audit.base.export` puts where a formula would start are taken off again.
    """
    text = _decoded(file, raw)
    named = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    text = text[named.end() if named else 0 :].rstrip("\r\n")
    if not text:
        raise InputError("empty file", file=file)
    tried = []
    for separator in named[1] if named else SEPARATORS:
        top: list[list[str]] = []
        with suppress(csv.Error):
            top += islice(csv.reader(StringIO(text[:200_000], newline=""), delimiter=separator), HEADING_ROWS)
        tried.append((separator, find_headings(top, mapping)))
    separator, heading = max(tried, key=lambda t: (t[1].recognised, text[:4096].count(t[0])))
    width, below = len(heading.headings), heading.last + 1
    if width > MAX_COLUMNS:
        raise InputError("more than {} columns", MAX_COLUMNS, file=file, line=below)
    headings = [" ".join(cell.split()) for cell in heading.headings]
    sheet = Sheet(file, headings, heading_row=below)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)

    def flagged() -> Iterator[tuple[int, list[str]]]:
        for number, line in enumerate(reader, 1):
            if number > 5 * MAX_ROWS:
                raise too_many_rows(file)
            if number > below and len(line) != width and any(line):
                sheet.problems.append(Problem(number, None, "row-long" if len(line) > width else "row-short"))
            yield number, [unguarded(cell) if "'" in cell else cell for cell in line] if quoted else line

    quoted = bool(re.search("'(?![A-Za-zÀ-ÿ])", text))  # those that exports put stand before no letter
    try:
        sheet.fill(flagged())
    except csv.Error:
        remedy = "A quote may not be closed"
        raise InputError("not CSV", file=file, line=reader.line_num, remedy=remedy) from None
    return without_remarks(sheet, mapping)


def read_json(file: str, raw: bytes, *, lines: bool = False) -> Sheet:
    """Read JSON: a list of records, an object whose ``declarations`` is one, a record; or `lines` of records.

    A line that is none is flagged, and the rest is read.
    """
    hooks: dict[str, Any] = {"object_pairs_hook": tuple}  # with keys that come twice
    hooks |= {"parse_int": str, "parse_constant": str, "parse_float": lambda text: text.removesuffix(".0")}
    text = _decoded(file, raw)
    records: list[tuple[int, Any]]
    if lines:
        records = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        for at, (number, line) in enumerate(records[: MAX_ROWS + 1]):
            with suppress(InputError):  # what is no JSON stays a text, which is no record
                records[at] = number, parse_json(line, file, **hooks)
        if records and all(isinstance(record, str) for _, record in records):
            raise InputError("no line is JSON", file=file, line=records[0][0])
    else:
        content = parse_json(text, file, **hooks)
        content = dict(content).get("declarations", [content]) if isinstance(content, tuple) else content
        if not isinstance(content, list):
            remedy = 'Write [{"domain": "…", …}, …], or one record a line as .jsonl'
            raise InputError("not a list of records", file=file, remedy=remedy)
        records = list(enumerate(content, 1))
    return _records(file, records)


def _records(file: str, records: list[tuple[int, Any]]) -> Sheet:
    if len(records) > MAX_ROWS:
        raise too_many_rows(file)
    problems: list[Problem] = []
    places: dict[str, int] = {}
    by_place: dict[int, dict[int, str]] = {}
    for row, record in records:
        if not isinstance(record, tuple):
            problems.append(Problem(row, None, "record"))
            continue
        cells = by_place[row] = {}
        for key, value in record:
            at = places.setdefault(_text(key), len(places))
            if at in cells or isinstance(value, list | tuple):
                problems.append(Problem(row, at, "key-twice" if at in cells else "nested"))
            else:
                cells[at] = _text(value)
    if len(places) > MAX_COLUMNS:
        raise InputError("more than {} different keys", MAX_COLUMNS, file=file)
    rows = {row: [cells.get(at, "") for at in range(len(places))] for row, cells in by_place.items()}
    return Sheet(file, list(places), rows, problems=problems)


def _text(value: str | bool | None) -> str:
    """Return a value as a spreadsheet would show it, half a character as JSON writes it."""
    if value is None or isinstance(value, bool):
        return {True: "TRUE", False: "FALSE", None: ""}[value]
    return value.encode("utf-8", "backslashreplace").decode()
