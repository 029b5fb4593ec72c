"""From the cells of a file to the typed columns of the register, with what could not be read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.declarations.cells import CELL_ERROR, UNSEEN, read_box, read_date, split_name
from mssante_audit.declarations.headings import SIGNATORY, Field, Headings, fields, resolve, suggestion
from mssante_audit.declarations.read import CONTROL, Sheet
from mssante_audit.declarations.references import is_nothing, reference, replace
from mssante_audit.values.identifiers import identifier_of

_SIGNATORY = ("signatory_last_name", "signatory_first_name")


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


class Problem(NamedTuple):
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


class File(NamedTuple):
    """What one file holds: parts of the `mssante_audit.declarations.register.Register`."""

    sheet: Sheet
    frame: pd.DataFrame
    cells: pd.DataFrame
    others: pd.DataFrame
    problems: list[Problem]
    missing: frozenset[str]
    places: Mapping[str, int]
    twin: bool = False
    """Whether another file holds the same."""


_NUMBERS = ("phone", "contract", "identifier")
_SLIPS: tuple[tuple[str, tuple[str, ...], str, Callable[[str], str]], ...] = (
    ("digits-lost", _NUMBERS, r"^[0-9](?:[.,][0-9]+)?E\+[0-9]+$", lambda text: ""),
    ("decimals", _NUMBERS, r"^[0-9]{6,15}\.0+$", lambda text: text.partition(".")[0]),
    # it lost its zero; no other kind of number is known to have had one
    ("leading-zero", ("phone",), "^[1-9][0-9]{8}$", lambda text: f"0{text}"),
    ("control", (), CONTROL, str),
    ("cell-error", (), f"^(?s:{CELL_ERROR.pattern})$", lambda text: ""),
)
"""What is odd in a text: kind of problem, of which fields (all if none is named), pattern, text to keep."""


def read_file(sheet: Sheet, mapping: Mapping[str, str]) -> File:
    """Return what a file says, typed; if no column holds the domain it is an `InputError`."""
    headings = resolve(sheet.headings, mapping)
    if "domain" not in headings.fields:
        found = ", ".join(sheet.headings)[:300]
        remedy = "Name it 'domain' or 'Nom du domaine de messagerie MSSanté', or map yours in columns.toml"
        message = "no column holds the domain; the headings are: {}"
        raise InputError(message, found, file=sheet.file, line=sheet.heading_row, remedy=remedy)
    named = dict(enumerate(sheet.headings)) | {at: name for name, at in headings.fields.items()}
    problems = [
        Problem(sheet.file, row, "" if at is None else named[at], kind, value, sheet.cells.get((row, at), ""))
        for row, at, kind, value in sheet.problems
    ]
    problems += _heading_problems(sheet, headings)

    def flag(field: Field, where: pd.Series, kind: str, texts: pd.Series) -> None:
        hidden = field.personal or kind in ("refers", "name-whole")
        for row, text in zip(sheet.rows[where.to_numpy()], texts[where], strict=True):
            problems.append(Problem(sheet.file, int(row), field.name, kind, "" if hidden else text, text))

    def plain(field: Field, texts: pd.Series) -> pd.Series:
        for kind, of, pattern, kept in _SLIPS:
            if field.kind in of if of else sheet.odd:
                where = texts.str.contains(pattern, regex=True)
                if where.any():
                    flag(field, where, kind, texts)
                    texts = texts.mask(where, texts[where].map(kept))
        return texts

    places = dict(headings.fields)
    signatory = places.pop(SIGNATORY, None) if _SIGNATORY[0] not in places else None
    index = range(len(sheet.rows))
    nothing = pd.Series("", index=index, dtype="str")
    cells = {name: sheet.columns[places[name]] if name in places else nothing for name in fields()}
    columns: dict[str, pd.Series] = {}
    for name, field in fields().items():
        texts = cells[name]
        if field.kind not in ("box", "date"):
            columns[name] = plain(field, texts) if name in places else nothing
            continue
        every = texts.unique().tolist()
        read: dict[str, tuple[Any, str]]
        if field.kind == "date":
            read = {text: read_date(text) for text in every}
        else:
            read = {t: (tick := read_box(t), "box" if tick is None and t != UNSEEN else "") for t in every}
        for kind in {kind for _, kind in read.values()} - {""}:
            flag(field, texts.isin([text for text, (_, why) in read.items() if why == kind]), kind, texts)
        values = texts.map({text: value for text, (value, _) in read.items()})
        columns[name] = values.astype("boolean" if field.kind == "box" else "datetime64[s]")
        if field.kind == "date":
            empty = [text for text, result in read.items() if result == (None, "")]
            columns[f"{name}_text"] = texts.mask(texts.isin(empty), "")
    if signatory is not None:
        last_name = fields()[_SIGNATORY[0]]
        both = plain(last_name, sheet.columns[signatory])
        names = [(text,) * 2 if is_nothing(text) or reference(text) else split_name(text) for text in both]
        whole = [parts is None and len(text.split()) > 1 for text, parts in zip(both, names, strict=True)]
        flag(last_name, pd.Series(whole, dtype="bool"), "name-whole", both)
        for part, name in enumerate(_SIGNATORY):
            alone = [
                p[part] if p else "" if part else text.strip() for text, p in zip(both, names, strict=True)
            ]
            columns[name] = pd.Series(alone, dtype="str")
        cells |= {_SIGNATORY[0]: both, _SIGNATORY[1]: columns[_SIGNATORY[1]]}
        places |= dict.fromkeys(_SIGNATORY, signatory)
    missing = frozenset(n for n, field in fields().items() if not field.optional and n not in places)
    before = dict(columns)
    for name, where in replace(columns, missing).items():
        flag(fields()[name], where, "refers", before[name])
    problems += [
        Problem(sheet.file, None, n, sheet.lost.get(n, "column-missing")) for n in fields() if n in missing
    ]
    others = {
        sheet.headings[at] or column_letter(at): sheet.columns[at]
        for at in (*headings.unknown, *headings.ambiguous)
        if (sheet.columns[at] != "").any()
    }
    columns["domain_key"] = domain_keys(columns["domain"])
    columns["operator_id"] = mapped(columns["structure_id"], identifier_of)
    file = pd.Series(sheet.file, index=index, dtype="str")
    frame = pd.DataFrame({"file": file, "row": sheet.rows, **columns})
    unknown = pd.DataFrame(others, index=index)
    return File(sheet, frame, pd.DataFrame(cells), unknown, problems, missing, places)


def _heading_problems(sheet: Sheet, headings: Headings) -> Iterator[Problem]:
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


def column_letter(at: int) -> str:
    """Return the letters that a spreadsheet has above a column, counted from 0."""
    from openpyxl.utils import get_column_letter  # takes half a second, and Pillow, to import

    return str(get_column_letter(at + 1))


def domain_keys(domains: pd.Series) -> pd.Series:
    """Return the `domain_key` of each of a column."""
    return domains.str.strip().str.lower().str.rstrip(".")


def mapped(texts: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """Return `function` of each text, which is called once for each distinct one."""
    codes, distinct = pd.factorize(texts)
    values = pd.Series([function(text) for text in distinct.tolist()], dtype="str")
    return values.take(codes).set_axis(texts.index)
