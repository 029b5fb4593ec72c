"""From the cells of a file to the typed columns of the register, with what could not be read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.declarations.cells import CELL_ERROR, UNSEEN, read_box, read_date, replace, split_name
from mssante_audit.declarations.headings import SIGNATORY, Field, Headings, fields, resolve, suggestion
from mssante_audit.declarations.read import CONTROL, Problem, Sheet
from mssante_audit.values.contacts import FRENCH_CODES
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import identifier_of

_SIGNATORY = ("signatory_last_name", "signatory_first_name")


_PROBLEMS = table_of("mssante_audit.declarations", "problems.toml")
# Of each kind of problem: its table there, and how a message says it.
LEVELS = {kind: level for level, texts in _PROBLEMS.items() for kind in texts}
MESSAGES: dict[str, str] = {kind: text for texts in _PROBLEMS.values() for kind, text in texts.items()}
UNREAD = frozenset(_PROBLEMS["unread"])


class RegisterFile(NamedTuple):
    """What one file holds: parts of the `mssante_audit.declarations.register.Register`."""

    sheet: Sheet
    frame: pd.DataFrame
    cells: pd.DataFrame
    others: pd.DataFrame
    missing: frozenset[str]
    places: Mapping[str, int]


_NUMBERS = ("phone", "contract", "identifier")
# What is odd in a text: kind of problem, of which fields (all if none is named), pattern, text to keep.
_SLIPS: tuple[tuple[str, tuple[str, ...], str, Callable[[str], str]], ...] = (
    ("digits-lost", _NUMBERS, r"^[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]+$", lambda text: ""),
    ("decimals", _NUMBERS, r"^[0-9]{6,15}\.0+$", lambda text: text.partition(".")[0]),
    # it lost its zero, which no other kind of number is known to have had, or the plus before a country code
    ("leading-zero", ("phone",), "^[1-9][0-9]{8}$", lambda text: f"0{text}"),
    ("leading-zero", ("phone",), f"^(?:{FRENCH_CODES})[1-9][0-9]{{8}}$", lambda text: f"+{text}"),
    ("control", (), CONTROL, str),
    ("cell-error", (), f"^(?s:{CELL_ERROR.pattern})$", lambda text: ""),
)


def read_file(sheet: Sheet, mapping: Mapping[str, str]) -> RegisterFile:
    """Return what a file says, typed; if no column holds the domain it is an `InputError`."""
    headings = resolve(sheet.headings, mapping)
    if "domain" not in headings.fields:
        remedy = "Name it 'domain' or 'Nom du domaine de messagerie MSSanté', or map yours in columns.toml"
        message, names = "no column holds the domain; the headings are: {}", ", ".join(sheet.headings)[:300]
        raise InputError(message, names, file=sheet.file, line=sheet.heading_row, remedy=remedy)
    index = pd.Index([*sheet.rows], dtype="int64")
    texts = pd.DataFrame([*sheet.rows.values()], index, range(len(sheet.headings)), dtype="str")
    named: dict[Any, str] = {None: ""} | dict(enumerate(sheet.headings))
    named |= {at: name for name, at in headings.fields.items()}
    sheet.problems = [problem._replace(column=named[problem.column]) for problem in sheet.problems]
    sheet.problems += _heading_problems(sheet, headings, texts)
    places = dict(headings.fields)
    if _SIGNATORY[1] in places and SIGNATORY in places:  # then it holds the last name only
        places.setdefault(_SIGNATORY[0], places[SIGNATORY])
    signatory = places.pop(SIGNATORY, None) if _SIGNATORY[0] not in places else None
    nothing = pd.Series("", index=index, dtype="str")
    cells = {name: texts[places[name]] if name in places else nothing for name in fields()}
    columns: dict[str, pd.Series] = {}
    for name, field in fields().items():
        if field.kind in ("box", "date"):
            columns |= _typed(sheet, field, cells[name])
        else:
            columns[name] = _plain(sheet, field, cells[name]) if name in places else nothing
    if signatory is not None:
        full_names = _plain(sheet, fields()[_SIGNATORY[0]], texts[signatory])
        columns |= _both_names(sheet, full_names)
        cells |= {_SIGNATORY[0]: full_names, _SIGNATORY[1]: columns[_SIGNATORY[1]]}
        places |= dict.fromkeys(_SIGNATORY, signatory)
    missing = frozenset(n for n, field in fields().items() if not field.optional and n not in places)
    before = dict(columns)
    for name, rows in replace(columns, missing).items():
        _note(sheet, fields()[name], before[name].index.isin(rows), "refers", before[name])
    sheet.problems += [Problem(None, n, sheet.lost.get(n, "column-missing")) for n in sorted(missing)]
    others = {
        sheet.headings[at] or column_letter(at): texts[at]
        for at in (*headings.unknown, *headings.ambiguous)
        if (texts[at] != "").any()
    }
    columns["domain_key"] = mapped(columns["domain"], domain_key)
    columns["operator_id"] = mapped(columns["structure_id"], identifier_of)
    file = pd.Series(sheet.file, index=index, dtype="str")
    frame = pd.DataFrame({"file": file, "row": index, **columns})
    return RegisterFile(sheet, frame, pd.DataFrame(cells), pd.DataFrame(others, index), missing, places)


def _note(sheet: Sheet, field: Field, where: Any, kind: str, texts: pd.Series) -> None:
    hidden = field.personal or kind in ("refers", "name-whole")
    marked: dict[Any, str] = texts[where].to_dict()
    sheet.problems += [Problem(n, field.name, kind, "" if hidden else t, t) for n, t in marked.items()]


def _plain(sheet: Sheet, field: Field, texts: pd.Series) -> pd.Series:
    """Return the texts of a field without slips of spreadsheets, which become problems."""
    slips = [slip for slip in _SLIPS if field.kind in slip[1] or not slip[1]]
    odd = "|".join(pattern for _, _, pattern, _ in slips)
    if not pd.Series(texts.unique(), dtype="str").str.contains(odd, regex=True).any():
        return texts
    for kind, _, pattern, mend in slips:
        where = texts.str.contains(pattern, regex=True).to_numpy()
        if where.any():
            _note(sheet, field, where, kind, texts)
            texts = texts.mask(where, texts[where].map(mend))
    return texts


def _typed(sheet: Sheet, field: Field, texts: pd.Series) -> dict[str, pd.Series]:
    """Return the columns of a box or a date; what cannot be read becomes a problem."""
    codes, distinct = pd.factorize(texts)
    read: list[tuple[Any, str]] = [read_date(text) for text in distinct] if field.kind == "date" else []
    for text in distinct if field.kind == "box" else ():
        tick = read_box(text, field.name)
        read.append((tick, "box" if tick is None and text != UNSEEN else ""))
    kinds = np.array([kind for _, kind in read], dtype="object")[codes]
    for kind in {kind for _, kind in read} - {""}:
        _note(sheet, field, kinds == kind, kind, texts)
    values = pd.Series(np.array([value for value, _ in read], dtype="object")[codes], texts.index)
    if field.kind == "box":
        return {field.name: values.astype("boolean")}
    as_written = texts.mask(values.isna() & (kinds == ""), "")
    return {field.name: values.astype("datetime64[s]"), f"{field.name}_text": as_written}


def _both_names(sheet: Sheet, texts: pd.Series) -> dict[str, pd.Series]:
    """Return last and first name of the signatory, of cells that hold both."""
    names = list(map(split_name, texts))
    undivided = [parts is None and len(text.split()) > 1 for text, parts in zip(texts, names, strict=True)]
    last_name = fields()[_SIGNATORY[0]]
    _note(sheet, last_name, np.array(undivided, dtype="bool"), "name-whole", texts)
    pairs = [parts or (text.strip(), "") for text, parts in zip(texts, names, strict=True)]
    columns = zip(_SIGNATORY, zip(*pairs, strict=True) if pairs else ((), ()), strict=True)
    return {name: pd.Series(values, texts.index, dtype="str") for name, values in columns}


def _heading_problems(sheet: Sheet, headings: Headings, texts: pd.DataFrame) -> Iterator[Problem]:
    def problem(at: int, kind: str, value: str = "") -> Problem:
        return Problem(sheet.heading_row, sheet.headings[at] or column_letter(at), kind, value)

    yield from (problem(at, "column-ambiguous") for at in headings.ambiguous)
    for at in headings.unknown:
        if sheet.headings[at] or (texts[at] != "").any():
            match = suggestion(sheet.headings[at])
            yield problem(at, "column-unknown", f" (did you mean {match!r}?)" if match else "")
    for name, places in headings.repeats.items():
        first = texts[headings.fields[name]]
        for at in places:
            yield problem(at, "column-twice")
            for row, cell, other in zip(texts.index, first, texts[at], strict=True):
                if other not in ("", cell) and cell.strip() != other.strip():
                    yield Problem(row, name, "column-differs", cell=f"#N/A {cell} | {other}")


def column_letter(at: int) -> str:
    """Return the letters that a spreadsheet has above a column, counted from 0."""
    from openpyxl.utils import get_column_letter  # takes half a second, and Pillow, to import

    return str(get_column_letter(at + 1))


def mapped(texts: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """Return `function` of each text, which is called once for each distinct one."""
    codes, distinct = pd.factorize(texts)
    values = pd.Series([function(text) for text in distinct.tolist()], dtype="str")
    return values.take(codes).set_axis(texts.index)
