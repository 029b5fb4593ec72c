"""The register of declarations: Annexe 1 as a frame, one row a declaration.

A column that a file has not is empty in the frame and named in `Register.missing`: unknown is not empty,
and no rule is held against it (`Register.having`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import Column
from mssante_audit.base.reading import read_bytes, read_toml
from mssante_audit.base.settings import Line, Names, Section, fault
from mssante_audit.declarations import read as reading
from mssante_audit.declarations.headings import fields, read_mapping
from mssante_audit.declarations.values import MESSAGES, UNREAD, RegisterFile, mapped, read_file
from mssante_audit.values.identifiers import structure_key

SCOPE = "scope.toml"  # beside the register: whose declarations it holds, where these are not everybody's
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".json", ".jsonl", ".pdf")
_ENDINGS = ("Known are {}", ", ".join(SUFFIXES))


def columns() -> tuple[Column, ...]:
    """Return the columns of `Register.declarations`, in order."""
    place = (
        "row of a spreadsheet (headings in row 1) or of a JSON list, line of a JSON Lines file, 1 for a form"
    )
    described = [Column("file", "str", "name of the file the row comes from"), Column("row", "int64", place)]
    for name, form_field in fields().items():
        meaning = f"« {form_field.label} »" + ("; names persons" if form_field.personal else "")
        if form_field.kind == "date":
            described.append(Column(name, "datetime64[s]", f"{meaning}; NaT when empty or unreadable"))
            described.append(Column(f"{name}_text", "str", "as the file says"))
        else:
            described.append(Column(name, "boolean" if form_field.kind == "box" else "str", meaning))
    key = Column("domain_key", "str", "the domain in lower case, without outer blanks and final dot")
    return (*described, key, Column("operator_id", "str", "`structure_id` as the list would write it"))


class Scope(Section):
    """Whom a register covers: operators named, and those that sit in a place, by their certificates."""

    operators: Names = ()
    region: Line = ""
    department: Line = ""


class _ScopeFile(Section):
    scope: Scope


def read_scope(path: Path) -> Scope:
    """Read a ``scope.toml``; one that is not TOML, has other keys, or names nobody is an `InputError`."""
    remedy = "Under [scope] there are operators (a list), region and department (texts)"
    try:
        scope = _ScopeFile.model_validate(read_toml(path)).scope
    except ValidationError as error:
        raise fault(_ScopeFile, error.errors()[0]).within(InputError, path.name, remedy) from None
    except InputError as error:
        raise InputError("not a scope: {}", error, file=path.name, remedy=remedy) from None
    if not (scope.operators or scope.region.strip() or scope.department.strip()):
        remedy = f"{remedy}; without a scope, remove the file"
        raise InputError("names nobody", file=path.name, remedy=remedy)
    return scope


@dataclass(frozen=True)
class Register:
    """Declarations as they were read, and what could not be."""

    declarations: pd.DataFrame  # columns as `columns` describes them, in the order of the files
    problems: pd.DataFrame
    """Columns `file`, `row` (Int64, missing for the whole file), `column`, `kind`, `value`, `message`."""
    missing: Mapping[str, frozenset[str]]  # for each file, the columns of the form that it does not have
    source: str  # name for messages
    sha256: str  # of the files' bytes, in order
    scope: Scope | None = None
    lost: Mapping[tuple[str, int, str], str] = field(default_factory=dict)
    """File, row and column of each value that could not be read → the cell, "" where that is not known."""
    sheets: Mapping[str, str] = field(default_factory=dict)  # for each workbook, the sheet that was read
    unread: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # and those that were not
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The form's fields as the files have them, row by row as `declarations`."""
    places: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """For each table, the position of each field's column, from 0."""
    others: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Columns that are no field's, by their headings, row by row: to be written again."""

    def at(self, as_of: datetime) -> pd.DataFrame:
        """Return the declarations that count at `as_of`: for each domain, the latest of each operator.

        Of two of one day the lower in the register counts; one without a date stays beside the dated one.
        """
        return latest(self.until(as_of))

    def having(self, declarations: pd.DataFrame, *columns: str) -> pd.DataFrame:
        """Return the rows of `declarations` of which all `columns` are there and could be read.

        Of a row with too few cells, or a form that was typed over, nobody knows which are missing.
        """
        without = [file for file, missing in self.missing.items() if not missing.isdisjoint(columns)]
        kinds = self.problems["kind"]
        of_columns = kinds.isin(UNREAD) & self.problems["column"].isin(columns)
        unread = self.problems[of_columns | (kinds.isin(["row-short", "typed-over"]) & bool(columns))]
        if not without and unread.empty:
            return declarations
        unread_rows = set(zip(unread["file"], unread["row"], strict=True))
        places = zip(declarations["file"].tolist(), declarations["row"].tolist(), strict=True)
        readable = [file not in without and (file, row) not in unread_rows for file, row in places]
        return declarations[np.array(readable, dtype="bool")]

    def until(self, as_of: datetime) -> pd.DataFrame:
        """Return the declarations made up to the day of `as_of`, history included; undated ones too."""
        day = pd.Timestamp(as_of.date())
        return self.declarations[~(self.declarations["date"] > day)]


def latest(declarations: pd.DataFrame, operators: pd.Series | None = None) -> pd.DataFrame:
    """Return the declarations that no later one of the same operator replaces, in the register's order.

    Those without domain or date stay. `operators` is what each's is known by, if not by its number.
    """
    structures = operators
    if structures is None:
        known_keys = set(map(structure_key, declarations["operator_id"].unique()))
        structures = mapped(declarations["operator_id"], lambda text: structure_key(text, known_keys))
    ordered = declarations[["domain_key", "date"]].assign(whose=structures)
    ordered = ordered.sort_values("date", na_position="first", kind="stable")
    superseded = ordered.duplicated(["domain_key", "whose"], keep="last") & ordered["date"].notna()
    superseded &= ordered["domain_key"] != ""
    return declarations[~superseded[declarations.index]]


def load_declarations(
    source: str | Path, *, columns: str | Path | Mapping[str, str] | None = None, sheet: str | None = None
) -> Register:
    """Load a register: a CSV, XLSX, JSON, JSON Lines or PDF file, or a folder of them.

    Parameters
    ----------
    source
        The file or folder.
    columns
        Headings of one's own, as a mapping from heading to column name, or a TOML file with such a table
        ``[columns]``. Not given, a ``columns.toml`` beside the register is used. The form's French labels
        and the column names themselves are always understood.
    sheet
        Name of the sheet of an XLSX file; that with most known headings if not given.

    Raises
    ------
    InputError
        If a file cannot be used at all. What concerns single rows is in `Register.problems`.
    """
    path = Path(source)
    if not path.exists():
        raise InputError("no such file or folder", file=str(path))
    parts = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not parts:
        raise InputError("no declaration here", file=str(path), remedy=_ENDINGS)
    folder = path if path.is_dir() else path.parent
    scope = read_scope(folder / SCOPE) if (folder / SCOPE).exists() else None
    if columns is None:
        columns = columns_file if (columns_file := folder / "columns.toml").exists() else {}
    mapping = columns if isinstance(columns, Mapping) else read_mapping(Path(columns))
    digest = hashlib.sha256()
    files, distinct = list[RegisterFile](), list[RegisterFile]()
    contents: dict[str, str] = {}
    for part in parts:
        raw = read_bytes(part, reading.MAX_BYTES)
        digest.update(raw)
        file = read_file(_sheet(part, raw, sheet, mapping), mapping)
        content = f"{sorted(file.missing)}\n{records(file.frame).to_csv(index=False)}" if parts[1:] else ""
        first = contents.setdefault(content, part.name)
        if first != part.name and len(file.frame):
            file.sheet.problems = [reading.Problem(None, "", "file-twice", first)]
        else:
            distinct.append(file)
        files.append(file)
    order: dict[Any, int] = {name: at for at, name in enumerate(fields())}
    problems = [(file.sheet.file, problem) for file in files for problem in file.sheet.problems]
    problems.sort(key=lambda pair: (pair[0], pair[1].row or 0, order.get(pair[1].column, -1)))
    unread = [pair for pair in problems if pair[1].column in order and pair[1].kind in UNREAD]
    unread.sort(key=lambda pair: pair[1].cell != "")  # of two problems of a value that with the cell counts
    books = [file.sheet for file in files if file.sheet.sheet]
    others = pd.concat([file.others for file in distinct], ignore_index=True)
    rows = [(name, *p[:4], MESSAGES[p.kind].format(value=p.value)) for name, p in problems]
    types = {"file": "str", "row": "Int64", **dict.fromkeys(("column", "kind", "value", "message"), "str")}
    return Register(
        declarations=pd.concat([file.frame for file in distinct], ignore_index=True),
        problems=pd.DataFrame(rows, columns=[*types], dtype="object").astype(types),
        missing={file.sheet.file: file.missing for file in files},
        source=path.name,
        sha256=digest.hexdigest(),
        scope=scope,
        lost={(name, p.row, str(p.column)): p.cell for name, p in unread if p.row is not None},
        sheets={sheet.file: sheet.sheet for sheet in books},
        unread={sheet.file: sheet.unread for sheet in books},
        cells=pd.concat([file.cells for file in distinct], ignore_index=True),
        places={f.sheet.file: f.places for f in files if f.sheet.heading_row is not None},
        others=others.fillna("").astype("str"),
    )


def _sheet(path: Path, raw: bytes, sheet: str | None, mapping: Mapping[str, str]) -> reading.Sheet:
    suffix, name = path.suffix.lower(), path.name
    if raw.startswith(b"%PDF-") or suffix == ".pdf":
        from mssante_audit.declarations.form import read_form  # needs the extra `pdf`

        return read_form(name, raw)
    if suffix not in SUFFIXES:
        raise InputError("unknown kind of file {}", repr(suffix), file=name, remedy=_ENDINGS)
    if not raw[:1000].strip() and not raw.strip():
        raise InputError("empty file", file=name)
    if suffix in (".xlsx", ".xlsm"):
        from mssante_audit.declarations.xlsx import read_xlsx  # openpyxl takes long to import

        return read_xlsx(name, raw, mapping, sheet)
    if sheet is not None:
        raise InputError("only an .xlsx file has sheets", file=name)
    if suffix in (".json", ".jsonl"):
        return reading.read_json(name, raw, lines=suffix == ".jsonl")
    return reading.read_csv(name, raw, mapping)


def find_register(data: Path) -> Path | None:
    """Return the register of a data folder, a file or folder named ``declarations``, if there is one."""
    if not data.is_dir():
        return None
    named = (f for f in data.iterdir() if f.stem == "declarations")
    registers = sorted(f for f in named if f.name == "declarations" or f.suffix.lower() in SUFFIXES)
    if len(registers) > 1:
        several = ", ".join(f.name for f in registers)
        remedy = "Keep one, or put the parts of one register into a folder named declarations"
        raise InputError("several registers: {}", several, file=str(data), remedy=remedy)
    return registers[0] if registers else None


def due_from(declarations: pd.DataFrame) -> pd.Series:
    """Return from when on what a declaration asks for is awaited: the latest of date, receipt and effect."""
    days = declarations[["date", "received_on", "effective_on"]].max(axis=1)
    return days.where(declarations["date"].notna())


def filled(declarations: pd.DataFrame, column: str) -> pd.Series:
    """Tell in which declarations a field holds anything."""
    return declarations[column].str.strip() != ""


def records(declarations: pd.DataFrame) -> pd.DataFrame:
    """Return the form's fields as texts: boxes as ``X`` or "", dates as ISO 8601, or as the file says."""
    written = declarations[list(fields())].copy()
    for name, form_field in fields().items():
        if form_field.kind == "box":
            written[name] = written[name].fillna(value=False).map({True: "X", False: ""}).astype("str")
        elif form_field.kind == "date":
            days = written[name].dt.strftime("%Y-%m-%d")
            written[name] = days.fillna(declarations[f"{name}_text"]).astype("str")
    return written
