"""What an analyst asks in one line: SQL, places, joins, a rule of one's own, what a threshold moves.

Each function takes a space or a frame of it and returns a frame, which `mssante_audit.table`, `bars`, `tiles`
and `export` take. Persons are masked unless the space shows them.
"""

import csv
import re
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd
from pandas.api.types import is_bool_dtype
from pandas.errors import UndefinedVariableError

from mssante_audit.audits import audit_all, lacking, unsure
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.export import WRITERS, parquet_bytes, write_workbook
from mssante_audit.base.frames import frame_of, of_pandas
from mssante_audit.base.language import LANGUAGES
from mssante_audit.base.reading import read_parquet
from mssante_audit.base.staging import private
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import columns
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.frame import Finding, Findings, concat
from mssante_audit.findings.registry import Audit, register
from mssante_audit.report.results import limited, limits, touching
from mssante_audit.snapshot.make import frames_of, naming, unnamed_texts
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import Person, masks
from mssante_audit.whitelist.load import FRAME as LIST_COLUMNS

# Identifiers that tables are joined by, and how many characters each has
NUMBERS = {"finess": 9, "siren": 9, "siret": 14}


def sql(space: TrustSpace, query: str, /, **tables: pd.DataFrame) -> pd.DataFrame:
    """Return what a query finds; `mssante_audit.space.trust.TrustSpace.sql` says of what."""
    try:
        import duckdb
        from pyarrow import parquet
    except ImportError:
        remedy = 'pip install "mssante-audit[lab]"'
        raise InputError("SQL needs DuckDB, which is not installed", remedy=remedy) from None
    makers = frames_of(space) | {name: partial(pd.DataFrame, frame) for name, frame in tables.items()}
    words = re.findall(r"\w+", query.lower())
    # Without replacements a frame is a table only because it was handed over.
    shut = ("enable_external_access", "python_enable_replacements", "autoload_known_extensions")
    with duckdb.connect(config={**dict.fromkeys(shut, False), "temp_directory": ""}) as opened:
        opened.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        for name, make in makers.items():
            if name.lower() in words:  # findings and domains take seconds to make
                table = masked(make(), "all" if name in tables else space.contacts)
                # As its Parquet file has it, so that a query over a snapshot is the same.
                opened.register(name, parquet.read_table(BytesIO(parquet_bytes(table))))
        try:
            result = opened.sql(query)
            if result is None:
                raise ParameterError("the query asks for nothing", remedy="Begin it with SELECT or FROM")
            frame: pd.DataFrame = result.df()
        except duckdb.Error as error:
            reason = " ".join(str(error).partition("\n\n")[0].split())
            remedy = f"There are the tables {', '.join(makers)}"
            raise ParameterError(f"the query cannot be run ({reason})", remedy=remedy) from None
    return frame


def declarations(space: TrustSpace) -> pd.DataFrame:
    """Return the rows of a space's register, persons masked unless the space shows them."""
    register = space.register
    return frame_of((), columns()) if register is None else masked(register.declarations, space.contacts)


# Columns of contacts that the list publishes; the register's are masked whole
LISTED = {f"{kind}_{part}" for kind in ("project", "support") for part in ("contact", "phone", "email")}


def masked(frame: pd.DataFrame, contacts: str) -> pd.DataFrame:
    """Return a frame with persons masked, as in a snapshot; two that differ stay different."""
    if contacts == "all":
        return frame
    columns = unnamed_texts(frame.drop(columns=naming(frame)))
    for name in naming(frame):
        texts = frame[name].fillna("").astype("str")
        by_person = masks((Person(text, name not in LISTED) for text in texts.unique() if text), contacts)
        columns[name] = texts.map({person.text: text for person, text in by_person.items()} | {"": ""})
    return frame.assign(**columns)


def within(
    space: TrustSpace,
    frame: pd.DataFrame,
    *,
    region: str | None = None,
    department: str | None = None,
    operator: str | None = None,
) -> pd.DataFrame:
    """Return the rows of a frame that are of operators in some place, as ``--region`` limits reports.

    The frame has rows of the list, findings, domains, or any with a column `domain`; another is a
    `ParameterError`. Names or codes (of places with commas between them) are in any case, with or without
    accents; one that means nobody is an `UnknownNameError`.
    """
    chosen = limits(space, operator, region, department)
    if {"rule", "rows"} <= {*frame.columns}:
        return touching(frame, space, chosen)
    if {"operator_id", "department"} <= {*frame.columns}:
        return limited(frame, chosen)
    if "domain" in frame:
        return frame[frame["domain"].isin(set(limited(space.audited, chosen)["domain"]))]
    raise ParameterError("this frame has no domain, and so nobody's place", remedy="Filter before you count")


def join(
    frame: pd.DataFrame, theirs: pd.DataFrame | str | Path, on: str, column: str | None = None
) -> pd.DataFrame:
    """Join an external table by the operators' FINESS, SIREN or SIRET (`on`), all rows of a frame kept.

    Parameters
    ----------
    frame
        Any frame with a column `operator_id`: rows of the list, findings, domains.
    theirs
        The table, or its file (CSV, XLSX, JSON, Parquet). Its numbers may be numbers, have lost their leading
        zeros, or be written with blanks; a SIRET does where a SIREN is asked for. Its columns that the frame
        has too are called ``…_theirs``.
    column
        The one that holds the numbers: that whose name says so, if there is one.

    Raises
    ------
    ParameterError, InputError
        No such identifier, not one column of it, no such kind of file; a number twice (rows would be counted
        twice), or a file that cannot be read.
    """
    theirs = theirs if isinstance(theirs, pd.DataFrame) else _read(Path(theirs))
    if on not in NUMBERS:
        raise ParameterError(f"no identifier {on!r}", remedy=f"There are: {', '.join(NUMBERS)}")
    named = [str(name) for name in theirs.columns if on in fold(str(name))]
    if column is None and len(named) == 1:
        column = named[0]
    if column not in theirs:
        raise ParameterError(
            f"{'which' if named else 'no'} column of the table is its {on.upper()}",
            remedy=f"Name it with column=, of: {', '.join(map(str, theirs.columns))}",
        )
    table = theirs.assign(_number=[_number(value, on) for value in theirs[column]]).query("_number != ''")
    twice = table.loc[table["_number"].duplicated(), "_number"]
    if len(twice):
        raise InputError(
            f"the table has the {on.upper()} {twice.iloc[0]} twice",
            remedy=f"Choose one row each: table.drop_duplicates({column!r})",
        )
    numbers, kinds = {}, ("SIREN", "SIRET") if on == "siren" else (on.upper(),)
    for identifier in frame["operator_id"].unique():
        parsed = parse_identifier(identifier)
        if parsed.kind in kinds and "shape" not in parsed.problems:
            numbers[identifier] = parsed.value[1 : 1 + NUMBERS[on]]
    ours = pd.DataFrame(frame).assign(_number=frame["operator_id"].map(numbers).astype("str"))
    joined = ours.merge(table, on="_number", how="left", suffixes=("", "_theirs")).drop(columns="_number")
    return joined.set_axis(frame.index, axis="index")


def _read(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[..., Any]] = {
        ".csv": partial(pd.read_csv, sep=None, engine="python"), ".xlsx": pd.read_excel,
        ".json": pd.read_json, ".parquet": read_parquet,
    }  # fmt: skip
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ParameterError(f"{path.name!r} is of no known format", remedy=f"End it in {', '.join(readers)}")
    try:
        try:
            return pd.DataFrame(readers[suffix](path))
        except UnicodeDecodeError:  # as a French spreadsheet saves it
            return pd.DataFrame(readers[suffix](path, encoding="cp1252"))
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, csv.Error) as error:
        reason = " ".join(str(getattr(error, "strerror", "") or error).split()) or type(error).__name__
        raise InputError(f"the table cannot be read ({reason})", file=str(path)) from None


def _number(value: Any, on: str) -> str:
    """Return a number as the list writes it, whatever a spreadsheet made of it; "" if it is none."""
    if pd.isna(value):
        return ""
    text = re.sub(r"[\W_]+", "", re.sub(r"\.0$", "", str(value).strip())).upper()
    return (text[:9] if on == "siren" and len(text) == 14 else text.zfill(NUMBERS[on])) if text else ""


def moved(before: TrustSpace, after: TrustSpace) -> Findings:
    """Return the findings in which two spaces differ: of other thresholds, say, or of another instant.

    Such as ``space`` and ``space.with_(stale_after_days=365)``. The worst come first, the gone as they were.
    Ahead of their columns stands ``moved``: ``new``, ``gone``, ``changed`` (severity, confidence, domains or
    words), or ``unknown`` where one of both spaces cannot tell what the other does.
    """
    old, new = audit_all(before), audit_all(after)
    blind = {name for name, _ in unsure(before).items() ^ unsure(after).items()}
    blind |= lacking(before).keys() ^ lacking(after).keys()
    columns = ["severity", "confidence", "rows", "domain", "observed", "expected"]
    was, now = (
        dict(zip(frame["fingerprint"], frame[columns].astype(str).itertuples(index=False), strict=True))
        for frame in (old, new)
    )
    came = new[[was.get(mark) != now[mark] for mark in new["fingerprint"]]]
    differing = concat([old[~old["fingerprint"].isin(now)], came])
    words = [
        "changed" if mark in was and mark in now
        else "unknown" if audit in blind else "new" if mark in now else "gone"
        for mark, audit in zip(differing["fingerprint"], differing["audit"], strict=True)
    ]  # fmt: skip
    differing.insert(0, "moved", pd.Series(words, index=differing.index, dtype="str"))
    return differing


def own_rule(
    code: str,
    title: str,
    which: str | Callable[[pd.DataFrame], Any],
    *,
    severity: str = "warning",
    why: str = "",
    remedy: str = "",
    shows: str = "description",
) -> Audit:
    """Make an audit of one rule of one's own, a finding a domain, and register it for this process.

    Parameters
    ----------
    code, title, why, remedy
        Capitals and digits joined by ``_``, made again replaced, an `InputError` if taken; what it is called,
        why it matters, what to do.
    which
        The rows of the list that break it: a `DataFrame.query`, such as ``"domain.str.len() > 40"``, or a
        function from the rows to a mask of them. What names a column that the list does not have, or is no
        condition, is a `ParameterError`.
    severity
        ``info``, ``warning``, ``error`` or ``critical``; another is an `InputError`.
    shows
        The column whose values are what was observed; persons are masked as everywhere.
    """
    _check(which, shows)
    texts = {"title": title, "why": why, "remedy": remedy, "observed": "{{ seen | listing }}"}
    words: Any = {f"{part}_{lang}": text for part, text in texts.items() for lang in LANGUAGES}
    rule = Rule(code, family=title, severity=severity, source="none", **words)

    def broken(space: TrustSpace) -> Any:
        rows = space.audited
        matches = rows.query(which, engine="python") if isinstance(which, str) else rows[which(rows)]
        person = bool(naming(matches[[shows]]))
        for domain, its in matches.groupby("domain", sort=False):
            values = [Person(text) if person else text for text in map(str, its[shows].unique()) if text]
            yield Finding(code, str(domain), tuple(its["row"]), facts={"seen": values})

    return register(Audit(code.lower(), title, (rule,), broken))


def _check(condition: str | Callable[[pd.DataFrame], Any], shows: str) -> None:
    """Refuse a condition that names no column of the list, or is none, while its author is there."""
    rows = frame_of((), LIST_COLUMNS)
    named, names = shows, list(map(str, rows))
    try:
        mask = rows.eval(condition, engine="python") if isinstance(condition, str) else condition(rows)
        if isinstance(condition, str) and not (isinstance(mask, pd.Series) and is_bool_dtype(mask)):
            raise TypeError("it is neither true nor false of a row")
    except UndefinedVariableError as error:
        named = str(error).split("'")[1]
    except KeyError as error:
        named = str(error.args[0])
    except (SyntaxError, TypeError, AttributeError, NotImplementedError) as error:
        message = f"the condition cannot be asked of the list ({error})"
        raise ParameterError(message, remedy="Try it on space.entries") from None
    except Exception:  # noqa: S110 - a function may be right of rows that are there
        pass
    if named not in names:
        matches = get_close_matches(named, names, 1)
        remedy = f"Did you mean {matches[0]!r}?" if matches else f"There are: {', '.join(names)}"
        raise ParameterError(f"no column {named!r} in the list", remedy=remedy)


def export(values: pd.DataFrame | pd.Series, path: str | Path, *, contacts: str = "services") -> Path:
    """Write a frame as CSV, XLSX, JSON or Parquet, as the suffix says, whole or not at all; return the path.

    Its index is written if it has a name or is more than a count of rows; no spreadsheet takes a text of it
    for a formula. `contacts` says whose numbers and addresses are shown, as `mssante_audit.load_space` has
    it. A suffix of no format is a `ParameterError`, a file that cannot be written an `OutputError`.
    """
    out, frame = Path(path), values.to_frame() if isinstance(values, pd.Series) else of_pandas(values)
    kind = out.suffix.lower().removeprefix(".")
    if kind not in WRITERS:
        remedy = f"End it in .{', .'.join(WRITERS)}"
        raise ParameterError(f"{out.name!r} is of no known format", remedy=remedy)
    if frame.index.name or not isinstance(frame.index, pd.RangeIndex):
        listed = any(name is not None for name in frame.index.names) or frame.index.dtype != "int64"
        frame = frame.reset_index(drop=not listed, allow_duplicates=True)
    frame = masked(frame, contacts)
    with private(names_persons=contacts == "all"):
        if kind == "xlsx":
            sheet = re.sub(r"[\[\]:*?/\\']", " ", out.stem)[:31].strip()
            write_workbook({sheet or "sheet": frame}, out)
        else:
            WRITERS[kind](frame, out)
    return out
