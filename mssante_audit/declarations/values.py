"""From the cells of a file to the typed columns of the register: boxes, dates, numbers that lost a zero."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import SIGNATORY, Field, Headings, fields, resolve, suggestion
from mssante_audit.declarations.read import Sheet
from mssante_audit.declarations.strokes import is_nothing, reference, replace


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


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem, and how a message says it."""

    level: str
    """``column`` (of the whole file), ``unread`` (the value is lost), ``recovered`` (read, with a doubt)."""
    text: str


KINDS = {
    "column-missing": Kind("column", "no such column"),
    "column-unknown": Kind("column", "unknown column{value}, not read"),
    "column-twice": Kind("column", "column there twice, the first is read"),
    "column-ambiguous": Kind("column", "heading that could be several fields, not read"),
    "column-differs": Kind("unread", "the column there twice holds two values"),
    "box": Kind("unread", "{value!r} is neither ticked nor empty"),
    "date": Kind("unread", "{value!r} is not a date"),
    "date-two-digits": Kind("unread", "{value!r} has a year of two digits"),
    "date-century": Kind("unread", "{value!r} is of a century that cannot be"),
    "digits-lost": Kind("unread", "a spreadsheet rounded this number"),
    "refers": Kind("unread", "a reference to what is not plain"),
    "cell-error": Kind("unread", "{value} is a spreadsheet's error"),
    "row-long": Kind("unread", "more cells than headings"),
    "row-short": Kind("unread", "fewer cells than headings"),
    "record": Kind("unread", "not a record: {value}"),
    "nested": Kind("unread", "a list or object, where a text belongs"),
    "key-twice": Kind("unread", "the key stands twice in the record"),
    "merged": Kind("unread", "merged cells {value}: only the first is read"),
    "label-missing": Kind("unread", "the form's label was not found"),
    "box-unseen": Kind("unread", "no mark was found before the label"),
    "label-next": Kind("unread", "the next label was not found: where the value ends is unknown"),
    "label-twice": Kind("unread", "the form's label stands twice"),
    "name-whole": Kind("recovered", "last and first name could not be told apart"),
    "control": Kind("recovered", "control or invisible characters"),
    "leading-zero": Kind("recovered", "leading zero restored"),
    "date-number": Kind("recovered", "{value} read as a spreadsheet's date"),
    "formula": Kind("recovered", "a formula: its last value is read"),
    "macros": Kind("recovered", "the file holds macros: nothing was run"),
    "file-twice": Kind("recovered", "the same declarations as {value}: not read twice"),
}
"""The kinds of problems."""

_TICKS, _EMPTY_BOXES = frozenset("☒☑✓✔✗✘✕✖×■"), "☐□▢◻–-"
_YES = frozenset(
    ["x", "xx", "xxx", "oui", "o", "yes", "y", "vrai", "true", "1", "on", "ok", "coche", "cochee"]
)
_NO = frozenset(["non", "n", "no", "faux", "false", "0", "off"])
_SIGNED = re.compile(
    r"(?:oui )?(?:(?:(?:signee?|signature(?: electronique| numerique| manuscrite)?|cachet|cachetee?"
    r"|tampon|tamponnee?)(?: et | |$))+"
    r"|signee? (?:le|par|electroniquement|numeriquement)\b.*)"
)
_DONE = frozenset(["coche", "cochee"])
_NOT = re.compile(r"(?:non|pas|aucune?)(?: [a-z]+){1,4}")

_MONTHS = (
    "janvier janv jan", "février fevrier févr fevr fév fev", "mars", "avril avr", "mai", "juin",
    "juillet juil", "août aout", "septembre sept", "octobre oct", "novembre nov", "décembre decembre déc dec",
)  # fmt: skip
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_DAY = "|".join([*WEEKDAYS, *(rf"{day[:3]}(?=[. ])" for day in WEEKDAYS)])
_PLACE = r"[^\W\d][^\W\d'’-]*(?:[ '’-][^\W\d'’-]+){0,6}"
_BEFORE_DATE = re.compile(
    r"(?:(?:date|fait|signée?|le)\b ?: ?|(?:date|fait|signée?) )?"
    rf"(?:(?:à )?(?!(?:{_DAY}|le)\b){_PLACE}(?:, ?|(?= le )) ?(?=le |\d|(?:{_DAY})\b))?"
    rf"(?:[cl]e (?:: ?)?)?(?:({_DAY})\.?,? )?(?:le )?"
)
"""What stands before a date: a word (`Fait à`), a place (`Pau, le …`), the day of the week."""
_NO_PLACE = re.compile(
    r"\b(?:avant|après|depuis|dès|jusqu|re[çc]u|envoyé|prévu|valable|modifié|partir|annulé|vers|environ|courant|fin)"
)
_AFTER_DATE = re.compile(
    rf" à {_PLACE}$| à \d\d?h(?:\d\d)?$| ?\((?:date de )?(?:la )?sign[^()\d]{{0,20}}\)$"
    r"|[ t]\d\d?[:h]\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:\d\d)?$|[.,]$"
)
_TITLE = re.compile(r"(?:M\.|Mr|Mme|Mlle|Dr|Pr|Monsieur|Madame|Docteur|Professeur)\.?\s+", re.I)
_PLAIN_DATE = re.compile(r"([0-3]?[0-9])/([01]?[0-9])/([0-9]{4})")
_CENTURY = range(2000, 2100)

_ROUNDED = r"^[0-9](?:[.,][0-9]+)?E\+[0-9]+$"
_CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
_CELL_ERROR = re.compile(r"^#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|NOM\?|VALEUR!)$")
_EXCEL_DAY_0 = date(1899, 12, 30)
_NATIONAL = 9
"""Digits of a phone number that lost its zero; no other kind of number is known to have had one."""
_FIRST_EXCEL_DAY, _LAST_EXCEL_DAY = 36526, 73050  # 2000 to 2099: other numbers are no dates of declarations


def read_values(
    sheet: Sheet, mapping: Mapping[str, str]
) -> tuple[dict[str, pd.Series], list[Problem], frozenset[str]]:
    """Return the register's columns (without the keys), the problems, and the columns that are missing.

    Raises
    ------
    InputError
        If no column holds the domain.
    """
    headings = resolve(sheet.headings, mapping)
    if "domain" not in headings.fields:
        message = f"no column holds the domain; the headings are: {', '.join(sheet.headings)[:300]}"
        remedy = "Name it 'domain' or 'Nom du domaine de messagerie MSSanté', or map yours in columns.toml"
        raise InputError(message, file=sheet.file, line=sheet.heading_row, remedy=remedy)
    problems = [Problem(sheet.file, row, _name(sheet, headings, at), kind, value)
                for row, at, kind, value in sheet.problems]  # fmt: skip
    problems += _heading_problems(sheet, headings)
    columns: dict[str, pd.Series] = {}
    missing = {name for name, field in fields().items() if not field.optional and name not in headings.fields}
    signatory = SIGNATORY in headings.fields and "signatory_last_name" in missing
    if signatory:
        missing -= {"signatory_last_name", "signatory_first_name"}
    nothing = pd.Series("", index=range(len(sheet.rows)), dtype="str")
    for name, field in fields().items():
        cells = sheet.columns[headings.fields[name]] if name in headings.fields else nothing
        if field.kind == "box":
            columns[name] = _boxes(cells, sheet, name, problems)
        elif field.kind == "date":
            columns[name] = pd.Series(pd.NaT, index=nothing.index, dtype="datetime64[s]")
            columns[f"{name}_text"] = nothing
            if name in headings.fields:
                columns[name], columns[f"{name}_text"] = _dates(cells, sheet, name, problems)
        else:
            columns[name] = _texts(cells, sheet, field, problems) if name in headings.fields else nothing
    if signatory:
        both = sheet.columns[headings.fields[SIGNATORY]]
        both = _texts(both, sheet, fields()["signatory_last_name"], problems)
        columns |= _split_names(both, sheet, problems)

    def refers(name: str, where: pd.Series) -> None:
        for row, cell in zip(sheet.rows[where.to_numpy()], columns[name][where], strict=True):
            problems.append(Problem(sheet.file, int(row), name, "refers", "", cell))

    replace(columns, missing, refers)
    lost = {name: sheet.lost.get(name, "column-missing") for name in fields() if name in missing}
    problems += [Problem(sheet.file, None, name, kind) for name, kind in lost.items()]
    return columns, problems, frozenset(missing)


def split_name(text: str) -> tuple[str, str] | None:
    """Tell last name and first name apart: by a comma, or by the last name's capitals; None if neither helps.

    >>> split_name("DE LA FICTION Jean-Marie"), split_name("Mme Zoé FICTIVE")
    (('DE LA FICTION', 'Jean-Marie'), ('FICTIVE', 'Zoé'))
    """
    text = _TITLE.sub("", text.strip())
    if text.count(",") == 1:
        last, first = text.split(",")
        return last.strip(), first.strip()
    words = text.split()
    high = [word == word.upper() for word in words]
    if not 0 < sum(high) < len(words) or high not in (sorted(high), sorted(high, reverse=True)):
        return None
    cut = high.index(not high[0])
    parts = " ".join(words[:cut]), " ".join(words[cut:])
    return parts if high[0] else parts[::-1]


def read_box(value: Any) -> bool | None:
    """Tell whether a box is ticked; None if the cell says neither.

    >>> [read_box(text) for text in ("X", "[ x ]", "Signé et tamponné", "néant", "( )", "/", "peut-être")]
    [True, True, True, False, False, None, None]
    """
    text = str(value).strip()
    bare = text.strip("[]() .")
    words = fold(text)
    said = {*words.split()} - {"case"}
    if "?" in text or _CELL_ERROR.match(text):
        return None
    if bare and _TICKS.issuperset(bare):
        return True
    refused = _NOT.fullmatch(words) and not said & _YES.difference(_DONE)
    if not bare or bare in _EMPTY_BOXES or words in _NO or refused:
        return False
    if (said and _YES.issuperset(said)) or _SIGNED.fullmatch(words):
        return True
    return False if is_nothing(text) and not text.startswith("/") else None  # one stroke may be a tick


def read_date(text: str) -> tuple[date | None, str]:
    """Read a date as French and computers write it; the second value is the kind of problem, "" if none.

    A place, the day of the week (which must be the date's) and ``le`` may stand before it.

    >>> read_date("1er mars 2026")
    (datetime.date(2026, 3, 1), '')
    >>> read_date("31/02/2026")
    (None, 'date')
    """
    if plain := _PLAIN_DATE.fullmatch(text):  # as nearly all are
        return _day(plain[3], plain[2], plain[1])
    words = re.sub(r" ?/ ?", "/", " ".join(text.casefold().replace("\u2019", "'").split()))
    if not words:
        return None, ""
    before = None if _NO_PLACE.search(words) else _BEFORE_DATE.match(words)
    words = _AFTER_DATE.sub("", words[before.end() if before else 0 :])
    if match := re.fullmatch(r"(\d{4})([/.-])(\d\d?)\2(\d\d?)", words):
        day, kind = _day(match[1], match[3], match[4])
    elif match := re.fullmatch(r"(\d\d?)([/. -])(\d\d?)\2(\d{4}|\d\d)", words):
        day, kind = _day(match[4], match[3], match[1])
    elif match := re.fullmatch(r"(\d\d?)(?: ?er)?[ /-]([a-zéûà]+)\.?[ /-](\d{4}|\d\d)", words):
        day, kind = _day(match[3], str(MONTHS.get(match[2], 0)), match[1])
    else:
        return None, "date"
    if day and before and before[1] and not WEEKDAYS[day.weekday()].startswith(before[1]):
        return None, "date"
    return day, kind


def _day(*parts: str) -> tuple[date | None, str]:
    if len(parts[0]) == 2:
        return None, "date-two-digits"
    try:
        day = date(*map(int, parts))
    except ValueError:
        return None, "date"
    return (day, "") if day.year in _CENTURY else (None, "date-century")


def _name(sheet: Sheet, headings: Headings, at: int | None) -> str:
    if at is None:
        return ""
    names = {place: name for name, place in headings.fields.items()}
    return names.get(at) or (sheet.headings[at] if at < len(sheet.headings) else "")


def _heading_problems(sheet: Sheet, headings: Headings) -> list[Problem]:
    def problem(at: int, kind: str, value: str = "") -> Problem:
        return Problem(sheet.file, sheet.heading_row, sheet.headings[at] or f"column {at + 1}", kind, value)

    found = [problem(at, "column-ambiguous") for at in headings.ambiguous]
    for at in headings.unknown:
        if sheet.headings[at] or any(value not in ("", None) for value in sheet.columns[at]):
            near = suggestion(sheet.headings[at])
            found.append(problem(at, "column-unknown", f" (did you mean {near!r}?)" if near else ""))
    for name, places in headings.repeats.items():
        first = sheet.columns[headings.fields[name]]
        for at in places:
            found.append(problem(at, "column-twice"))
            for row, a, b in zip(sheet.rows, first, sheet.columns[at], strict=True):
                if b not in ("", None) and str(a).strip() != str(b).strip():
                    found.append(Problem(sheet.file, int(row), name, "column-differs"))
    return found


def _problems(
    sheet: Sheet, where: np.ndarray, name: str, kind: str, value: str, cell: str = ""
) -> list[Problem]:
    return [Problem(sheet.file, int(row), name, kind, str(value), str(cell)) for row in sheet.rows[where]]


def _boxes(cells: Any, sheet: Sheet, name: str, problems: list[Problem]) -> pd.Series:
    codes, distinct = pd.factorize(_as_texts(cells))
    ticks = [read_box(value) for value in distinct]
    for code, value in enumerate(distinct):
        if ticks[code] is None and value != _UNSEEN:
            problems += _problems(sheet, codes == code, name, "box", value, value)
    return pd.Series(pd.array(ticks, dtype="boolean").take(codes))


def _dates(cells: Any, sheet: Sheet, name: str, problems: list[Problem]) -> tuple[pd.Series, pd.Series]:
    codes, distinct = pd.factorize(_as_texts(cells))
    read = [_read_day(value) for value in distinct]
    for code, (value, (_, kind)) in enumerate(zip(distinct, read, strict=True)):
        if kind:
            problems += _problems(sheet, codes == code, name, kind, value, value)
    known = pd.Series(np.array([day for day, _ in read], dtype="datetime64[s]"))
    told = ["" if one == (None, "") else value for value, one in zip(distinct, read, strict=True)]
    texts = pd.Series(told, dtype="str")
    return known.take(codes).reset_index(drop=True), texts.take(codes).reset_index(drop=True)


def _read_day(value: str) -> tuple[date | None, str]:
    """Read a date, or the number that a spreadsheet shows as one."""
    if not value[:1].isdigit() and is_nothing(value):
        return (None, "date") if _CELL_ERROR.match(value) else (None, "")
    if len(value) == 5 and value.isdecimal() and _FIRST_EXCEL_DAY <= int(value) <= _LAST_EXCEL_DAY:
        return _EXCEL_DAY_0 + timedelta(days=int(value)), "date-number"
    return read_date(value)


def _texts(cells: Any, sheet: Sheet, field: Field, problems: list[Problem]) -> pd.Series:
    texts = _as_texts(cells)

    def flag(where: pd.Series, kind: str) -> None:
        for row, value in zip(sheet.rows[where.to_numpy()], texts[where], strict=True):
            shown = "" if field.personal else value
            problems.append(Problem(sheet.file, int(row), field.name, kind, shown, value))

    if field.kind in ("phone", "contract", "identifier"):
        rounded = texts.str.contains("E+", regex=False)
        if rounded.any():
            rounded &= texts.str.contains(_ROUNDED, regex=True)
            flag(rounded, "digits-lost")
            texts = texts.mask(rounded, "")
    if field.kind == "phone":
        lost = texts.str.len() == _NATIONAL
        if lost.any():
            lost &= texts.str.contains("^[1-9][0-9]*$", regex=True)
            flag(lost, "leading-zero")
            texts = texts.where(~lost, texts.str.zfill(10))
    if sheet.odd_characters:
        flag(texts.str.contains(_CONTROL, regex=True), "control")
        errors = texts.str.contains(_CELL_ERROR.pattern, regex=True)
        flag(errors, "cell-error")
        texts = texts.mask(errors, "")
    return texts


def _as_texts(cells: Any) -> pd.Series:
    """Return cells as texts, as a spreadsheet would show them."""
    if isinstance(cells, pd.Series):
        return cells
    return pd.Series([_AS_TEXT.get(type(cell), str)(cell) for cell in cells], dtype="str")


def _split_names(both: pd.Series, sheet: Sheet, problems: list[Problem]) -> dict[str, pd.Series]:
    names = []
    for row, text in zip(sheet.rows, both, strict=True):
        if is_nothing(text) or reference(text):
            names.append((text, text))
            continue
        parts = split_name(text)
        if parts is None and len(text.split()) > 1:
            problems.append(Problem(sheet.file, int(row), "signatory_last_name", "name-whole"))
        names.append(parts or (text.strip(), ""))
    split = pd.DataFrame(names, columns=["signatory_last_name", "signatory_first_name"], dtype="str")
    return {str(name): split[name] for name in split}


_UNSEEN = "\0unseen"  # no file that is read holds a NUL character
_AS_TEXT: dict[type, Callable[[Any], str]] = {
    str: lambda v: v,
    type(None): lambda v: "",
    object: lambda v: _UNSEEN,
    bool: lambda v: "TRUE" if v else "FALSE",
    datetime: lambda v: v.date().isoformat() if v.time() == time() else v.isoformat(sep=" "),
    date: date.isoformat,
    time: time.isoformat,
}
