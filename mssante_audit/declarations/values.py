"""From the cells of a file to the typed columns of the register, with what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.declarations.cells import CELL_ERROR, UNSEEN, read_box, read_date, split_name
from mssante_audit.declarations.headings import SIGNATORY, Field, Headings, fields, resolve, suggestion
from mssante_audit.declarations.read import CONTROL, Sheet
from mssante_audit.declarations.references import is_nothing, reference, replace


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that could not be read, or that was read with a doubt."""

    file: str
    row: int | None
    """None for what concerns the whole file."""
    column: str
    kind: str
    value: str = ""
    """The cell, but never one that names a person."""
    cell: str = ""
    """The cell whatever it names, of a value that is lost: to be written again, and told to nobody."""


class Kind(NamedTuple):
    """One kind of problem, and how a message says it."""

    level: str
    """``column`` (of the whole file), ``unread`` (the value is lost), ``recovered`` (read, with a doubt)."""
    text: str


KINDS = {
    name: Kind(level, text)
    for level, texts in table_of("mssante_audit.declarations", "problems.toml").items()
    for name, text in texts.items()
}
"""The kinds of problems."""
UNREAD = frozenset(name for name, kind in KINDS.items() if kind.level == "unread")
"""Those of a value that is lost."""

_NUMBERS = ("phone", "contract", "identifier")
_ROUNDED = r"^[0-9](?:[.,][0-9]+)?E\+[0-9]+$"
_DECIMALS = r"^[0-9]{6,15}\.0+$"
_NATIONAL = r"^[1-9][0-9]{8}$"
"""A phone number that lost its zero; no other kind of number is known to have had one."""

Flag = Callable[[pd.Series, str, pd.Series], None]
"""Adds a problem for each row that is marked: of which kind, and the texts."""


class Values(NamedTuple):
    """The columns of one file."""

    columns: dict[str, pd.Series]
    """Those of the register, without the keys."""
    cells: dict[str, pd.Series]
    """The form's fields as the file has them."""
    problems: list[Problem]
    missing: frozenset[str]
    """Columns of the form that the file does not have."""
    places: Mapping[str, int]
    """Position of each field's column."""
    others: dict[str, pd.Series]
    """Columns that are no field's, by their headings."""


def read_values(sheet: Sheet, mapping: Mapping[str, str]) -> Values:
    """Return the columns of the register, and what could not be read.

    If no column holds the domain it is an `InputError`.
    """
    headings = resolve(sheet.headings, mapping)
    if "domain" not in headings.fields:
        found = ", ".join(sheet.headings)[:300]
        remedy = "Name it 'domain' or 'Nom du domaine de messagerie MSSanté', or map yours in columns.toml"
        message = "no column holds the domain; the headings are: {}"
        raise InputError(message, found, file=sheet.file, line=sheet.heading_row, remedy=remedy)
    named = dict(enumerate(sheet.headings)) | {at: name for name, at in headings.fields.items()}
    problems = [
        Problem(sheet.file, row, named.get(at, "") if at is not None else "", kind, value, cell)
        for row, at, kind, value in sheet.problems
        for cell in [sheet.cells.get((row, at), "")]
    ]
    problems += _heading_problems(sheet, headings)
    places = dict(headings.fields)
    signatory = places.pop(SIGNATORY, None) if "signatory_last_name" not in places else None
    nothing = pd.Series("", index=range(len(sheet.rows)), dtype="str")
    cells = {name: sheet.columns[places[name]] if name in places else nothing for name in fields()}

    def flags(field: Field) -> Flag:
        def flag(where: pd.Series, kind: str, texts: pd.Series) -> None:
            hidden = field.personal or kind in ("refers", "name-whole")
            for row, text in zip(sheet.rows[where.to_numpy()], texts[where], strict=True):
                shown = "" if hidden else text
                problems.append(Problem(sheet.file, int(row), field.name, kind, shown, text))

        return flag

    columns: dict[str, pd.Series] = {}
    for name, field in fields().items():
        if field.kind == "box":
            columns[name] = _boxes(cells[name], flags(field))
        elif field.kind == "date":
            columns[name], columns[f"{name}_text"] = _dates(cells[name], flags(field))
        else:
            known = name in places
            columns[name] = _texts(cells[name], field, flags(field), sheet.odd) if known else nothing
    if signatory is not None:
        last_name = fields()["signatory_last_name"]
        both = _texts(sheet.columns[signatory], last_name, flags(last_name), sheet.odd)
        columns |= _split_names(both, flags(last_name))
        cells |= {"signatory_last_name": both, "signatory_first_name": columns["signatory_first_name"]}
        places |= dict.fromkeys(("signatory_last_name", "signatory_first_name"), signatory)
    missing = frozenset(n for n, field in fields().items() if not field.optional and n not in places)
    before = dict(columns)
    for name, where in replace(columns, missing).items():
        flags(fields()[name])(where, "refers", before[name])
    problems += [
        Problem(sheet.file, None, n, sheet.lost.get(n, "column-missing")) for n in fields() if n in missing
    ]
    others = {
        sheet.headings[at] or column_letter(at): sheet.columns[at]
        for at in (*headings.unknown, *headings.ambiguous)
        if (sheet.columns[at] != "").any()
    }
    return Values(columns, cells, problems, missing, places, others)


def column_letter(at: int) -> str:
    """Return the letters that a spreadsheet has above a column, counted from 0."""
    from openpyxl.utils import get_column_letter  # takes half a second, and Pillow, to import

    return str(get_column_letter(at + 1))


def _heading_problems(sheet: Sheet, headings: Headings) -> Iterable[Problem]:
    def problem(at: int, kind: str, value: str = "") -> Problem:
        return Problem(sheet.file, sheet.heading_row, sheet.headings[at] or column_letter(at), kind, value)

    yield from (problem(at, "column-ambiguous") for at in headings.ambiguous)
    for at in headings.unknown:
        if sheet.headings[at] or (sheet.columns[at] != "").any():
            near = suggestion(sheet.headings[at])
            yield problem(at, "column-unknown", f" (did you mean {near!r}?)" if near else "")
    for name, places in headings.repeats.items():
        first = sheet.columns[headings.fields[name]]
        for at in places:
            yield problem(at, "column-twice")
            other = sheet.columns[at]
            differs = (other != "") & (first.str.strip() != other.str.strip())
            both = "#N/A " + first[differs] + " | " + other[differs]
            for row, cell in zip(sheet.rows[differs], both, strict=True):
                yield Problem(sheet.file, int(row), name, "column-differs", cell=cell)


def _boxes(texts: pd.Series, flag: Flag) -> pd.Series:
    ticks = {text: read_box(text) for text in texts.unique()}
    neither = [text for text, tick in ticks.items() if tick is None and text != UNSEEN]
    if neither:
        flag(texts.isin(neither), "box", texts)
    return texts.map(ticks).astype("boolean")


def _dates(texts: pd.Series, flag: Flag) -> tuple[pd.Series, pd.Series]:
    """Return the days of some texts, and the texts that are days or should be."""
    read = {text: read_date(text) for text in texts.unique()}
    for kind in {kind for _, kind in read.values() if kind}:
        flag(texts.isin([text for text, (_, why) in read.items() if why == kind]), kind, texts)
    days = texts.map({text: day for text, (day, _) in read.items()}).astype("datetime64[s]")
    nothing = [text for text, result in read.items() if result == (None, "") and text]
    return days, texts.mask(texts.isin(nothing), "") if nothing else texts


def _texts(texts: pd.Series, field: Field, flag: Flag, odd: bool) -> pd.Series:
    def flagged(kind: str, pattern: str) -> pd.Series:
        where = texts.str.contains(pattern, regex=True)
        if where.any():
            flag(where, kind, texts)
        return where

    if field.kind in _NUMBERS and texts.str.contains("E+", regex=False).any():
        texts = texts.mask(flagged("digits-lost", _ROUNDED), "")
    if field.kind in _NUMBERS and texts.str.contains(".0", regex=False).any():
        texts = texts.mask(flagged("decimals", _DECIMALS), texts.str.replace(r"\.0+$", "", regex=True))
    if field.kind == "phone":
        texts = texts.mask(flagged("leading-zero", _NATIONAL), "0" + texts)
    if odd:
        flagged("control", CONTROL)
        texts = texts.mask(flagged("cell-error", f"^(?s:{CELL_ERROR.pattern})$"), "")
    return texts


def _split_names(both: pd.Series, flag: Flag) -> dict[str, pd.Series]:
    names, whole = [], []
    for text in both:
        plain = is_nothing(text) or reference(text)
        parts = (text, text) if plain else split_name(text)
        whole.append(parts is None and len(text.split()) > 1)
        names.append(parts or (text.strip(), ""))
    flag(pd.Series(whole, dtype="bool"), "name-whole", both)
    split = pd.DataFrame(names, columns=["signatory_last_name", "signatory_first_name"], dtype="str")
    return {str(name): split[name] for name in split}
