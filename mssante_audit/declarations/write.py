"""Registers written: the empty template for a spreadsheet, and declarations in every format that is read."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import csv_text, write_bytes
from mssante_audit.declarations.headings import Field, fields
from mssante_audit.declarations.register import Register, records

SHEET = "Déclarations"
ROWS = 5000  # of the template are validated
_WIDTHS = {"box": 12, "date": 14, "phone": 20, "contract": 16, "identifier": 20, "dn": 60}
FAULTY = PatternFill("solid", fgColor="F8CBAD")
MOST_NOTES, MOST_NOTE = 5000, 500  # cells of a workbook that say what is wrong, and characters of each
Notes = Mapping[tuple[str, int], dict[str, list[str]]]
_TEXT = ("phone", "contract", "identifier")  # cells that are texts, or they lose their leading zeros


def template() -> bytes:
    """Return an empty register: headings, help in French below, drop-down lists, validation."""
    return book_bytes(template_book())


def write_register(declarations: pd.DataFrame | Register, path: Path, notes: Notes | None = None) -> None:
    """Write declarations as CSV, XLSX (the template, filled), JSON or JSON Lines, by the name's ending.

    What could not be read is written as something that nobody can read, by a whole register as it was.
    `notes` are what is wrong, by file and row: texts by column; in a workbook such cells are coloured.
    """
    read = declarations.declarations if isinstance(declarations, Register) else declarations
    rows, suffix = _written(declarations, read), path.suffix.lower()
    if suffix == ".csv":
        content = csv_text(rows).encode("utf-8-sig")
    elif suffix == ".xlsx":
        places = zip(read["file"], read["row"], strict=True)
        content = _filled(rows, [(notes or {}).get(place, {}) for place in places])
    elif suffix == ".json":
        content = (json.dumps(rows.to_dict("records"), ensure_ascii=False, indent=1) + "\n").encode()
    elif suffix == ".jsonl":
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in rows.to_dict("records"))
        content = "".join(lines).encode()
    else:
        remedy = "Use .csv, .xlsx, .json or .jsonl"
        raise InputError("cannot write a register as {}", repr(suffix), file=str(path), remedy=remedy)
    write_bytes(path, content)


def _written(declarations: pd.DataFrame | Register, read: pd.DataFrame) -> pd.DataFrame:
    """Return the form's fields as texts, what is unknown as something unreadable.

    A column that no file of a register has is left out: it is not known to be empty.
    """
    rows = records(read)
    for name, field in fields().items():
        if field.kind == "box":
            rows[name] = rows[name].mask(read[name].isna(), _unknown(field))
    if not isinstance(declarations, Register):
        return rows
    nowhere = frozenset.intersection(*declarations.missing.values())
    for file, missing in declarations.missing.items():
        for name in missing - nowhere:
            rows.loc[read["file"] == file, name] = _unknown(fields()[name])
    at = dict(zip(zip(read["file"], read["row"], strict=True), rows.index, strict=True))
    for (file, row, name), cell in declarations.lost.items():
        if (file, row) in at:
            rows.at[at[file, row], name] = cell or _unknown(fields()[name])
    others = declarations.others[[n for n in declarations.others if n not in rows]]
    return pd.concat([rows.drop(columns=list(nowhere)), others], axis=1)


def _field(name: str) -> Field:
    """Return a field by its name; a column that is none's is a text."""
    return fields().get(name) or Field(name, name, "")


def _unknown(field: Field) -> str:
    """Return what every reader finds unreadable in a field."""
    return "?" if field.kind in ("box", "date") else "#N/A"


def _filled(rows: pd.DataFrame, notes: Sequence[Mapping[str, Sequence[str]]]) -> bytes:
    names = [str(name) for name in rows]
    book = template_book(names)
    sheet, commented = book[SHEET], 0
    for at, (record, wrong) in enumerate(zip(rows.itertuples(index=False), notes, strict=True), 3):
        for column, (value, name) in enumerate(zip(record, names, strict=True), 1):
            if value != "":
                _fill(sheet.cell(at, column), str(value), _field(name).kind)
            if name in wrong:
                cell, commented = sheet.cell(at, column), commented + 1
                cell.fill = FAULTY
                if commented <= MOST_NOTES:
                    text = "\n".join(wrong[name])
                    text = text if len(text) <= MOST_NOTE else f"{text[:MOST_NOTE]}…"
                    cell.comment = Comment(_legal(text), "mssante-audit", 160, 320)
    return book_bytes(book)


_legal = partial(ILLEGAL_CHARACTERS_RE.sub, "\N{REPLACEMENT CHARACTER}")


def _fill(cell: Any, value: str, kind: str) -> None:
    day = pd.to_datetime(value, format="%Y-%m-%d", errors="coerce") if kind == "date" else pd.NaT
    if day is not pd.NaT:
        cell.value, cell.number_format = day.to_pydatetime(), "dd/mm/yyyy"
        return
    cell.value = _legal(value)
    cell.data_type = "s"  # never a formula
    cell.quotePrefix = value.startswith(("=", "+", "-", "@"))
    if kind in _TEXT:
        cell.number_format = "@"


def template_book(columns: Sequence[str] = ()) -> Workbook:
    """Return the empty register as a workbook, of some columns or of all."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 - a new workbook has one
    sheet.title = SHEET
    sheet.freeze_panes = "A3"
    choices = book.create_sheet("Listes")
    choices["A1"] = "X"
    choices.sheet_state = "hidden"
    for column, field in enumerate(map(_field, columns or fields()), 1):
        letter = get_column_letter(column)
        heading, help_cell = sheet.cell(1, column), sheet.cell(2, column)
        _fill(heading, field.label, "")
        _fill(help_cell, field.help, "")
        heading.font, heading.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", fgColor="1F3A5F")
        help_cell.font = Font(italic=True, color="555555")
        heading.alignment = help_cell.alignment = Alignment(wrap_text=True, vertical="top")
        dimension = sheet.column_dimensions[letter]
        dimension.width = _WIDTHS.get(field.kind, 28)
        if field.kind in (*_TEXT, "date"):
            dimension.number_format = "@" if field.kind in _TEXT else "dd/mm/yyyy"
        if rule := _validation(field, letter):
            rule.add(f"{letter}3:{letter}{ROWS}")
            sheet.add_data_validation(rule)
    sheet.row_dimensions[2].height = 62
    return book


def _validation(field: Field, letter: str) -> DataValidation | None:
    """Return what Excel can check of a field; the rest is the audit's."""
    cell = f"{letter}3"
    formulas = {
        "box": "'Listes'!$A$1",
        "date": "DATE(2010,1,1)",
        "contract": f"LEN({cell})=10",
        "phone": f'LEN(SUBSTITUTE(SUBSTITUTE({cell}," ",""),".",""))>=10',
        "email": f'AND(ISNUMBER(FIND("@",{cell})),ISERROR(FIND(" ",{cell})))',
        "identifier": f"AND(LEN({cell})>=10,LEN({cell})<=15)",
        "server": f'AND(LEN({cell})<=63,ISNUMBER(FIND(".",{cell})),ISERROR(FIND(" ",{cell})))',
        "domain": f'AND(LEN({cell})<=253,ISNUMBER(FIND(".",{cell})),ISERROR(FIND("@",{cell})))',
        "dn": f'LEFT({cell},3)="CN="',
    }
    if field.kind not in formulas:
        return None
    kind: Any = {"box": "list", "date": "date"}.get(field.kind, "custom")
    rule = DataValidation(kind, formulas[field.kind], allow_blank=True)
    if field.kind == "date":
        rule.operator, rule.formula2 = "between", "TODAY()"
    rule.error = rule.prompt = field.help[:250]
    rule.errorTitle = rule.promptTitle = field.label[:32]
    rule.showErrorMessage = rule.showInputMessage = True
    return rule


def book_bytes(book: Workbook) -> bytes:
    """Return a workbook as a file, the same bytes for the same content: no time of writing in it."""
    written, out = io.BytesIO(), io.BytesIO()
    book.save(written)
    with ZipFile(written) as source, ZipFile(out, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb">[0-9T:Z.-]{19,}</dcterms:", b">2026-01-01T00:00:00Z</dcterms:", content)
            target.writestr(ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, ZIP_DEFLATED)
    return out.getvalue()
