"""The history table: each distinct row content ever listed, when first and last, in how many lists.

One Parquet file, ``history.parquet``, made from the originals and never the other way round. Content is what
a row says: `DateMAJ` is no part of it, because rows are re-stamped without having changed (data). The columns
are `FRAME`.

Sorted by the five texts. Adding a list merges its rows into the table; minimum, maximum and sum give the same
result in whatever order lists come. The file's metadata name the lists that are in it, and ``.history.json``
beside it has its hash and how many rows it has: what they do not confirm is not believed, but made again.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import Column
from mssante_audit.base.reading import read_bytes
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from mssante_audit.archive.store import Archive

FRAME = (
    Column("domain", "str", "as in `mssante_audit.whitelist.load`, like the next four"),
    Column("dn", "str", "the certificate's name"),
    Column("description", "str", "Description"),
    Column("project_contact", "str", "ResponsableContact; names persons"),
    Column("support_contact", "str", "SupportContact; names persons"),
    Column("first_seen", "datetime64[us, UTC]", "generation time of the first list that holds it"),
    Column("last_seen", "datetime64[us, UTC]", "generation time of the last one"),
    Column("snapshots", "int32", "how many lists hold it, copies within one counted once"),
    Column(
        "stamp_first", "datetime64[us, UTC]",
        "earliest `DateMAJ` it ever bore, NaT if none could be read",
    ),
    Column("stamp_last", "datetime64[us, UTC]", "latest"),
)  # fmt: skip

Parsed = dict[str, pd.DataFrame]
"""Rows of lists by the names of their files, which then need not be read again."""

FILE = "history.parquet"
"""In the archive's folder."""

CHECK = ".history.json"
"""Beside it: its ``sha256`` and ``rows``, and those of the one before, for a kill while it is replaced."""
VERSION = 1
MAX_FILE, MAX_CHECK = 1 << 30, 1 << 16

CONTENT = ["domain", "dn", "description", "project_contact", "support_contact"]
"""What makes two rows the same."""

_TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in CONTENT),
        ("first_seen", _TIME), ("last_seen", _TIME), ("snapshots", pa.int32()),
        ("stamp_first", _TIME), ("stamp_last", _TIME),
    ]
)  # fmt: skip
_MERGE = [
    ("first_seen", "min"), ("last_seen", "max"), ("snapshots", "sum"),
    ("stamp_first", "min"), ("stamp_last", "max"),
]  # fmt: skip
_KEY = b"mssante-audit lists"


def rows_of(entries: pd.DataFrame, generated_at: datetime) -> Any:
    """Return the history of one list: an Arrow table in `SCHEMA`, one row a content."""
    columns = [pa.array(entries[name].array, pa.string()) for name in CONTENT]
    stamps = pa.array(entries["updated_at"].array, _TIME)
    seen = pa.array([generated_at], _TIME).take(pa.array([0] * len(entries), pa.int32()))
    ones = pa.array([1] * len(entries), pa.int32())
    table = pa.table([*columns, seen, seen, ones, stamps, stamps], schema=SCHEMA)
    merges = [(name, "max" if name == "snapshots" else how) for name, how in _MERGE]
    return _named(table.group_by(CONTENT, use_threads=False).aggregate(merges), merges)


def merged(tables: Iterable[Any]) -> Any:
    """Return the history of several histories that have no list in common, sorted."""
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    grouped = _named(whole.group_by(CONTENT, use_threads=False).aggregate(_MERGE), _MERGE)
    return grouped.sort_by([(name, "ascending") for name in CONTENT]).combine_chunks()


def _named(table: Any, merges: list[tuple[str, str]]) -> Any:
    columns = [table[name] for name in CONTENT] + [table[f"{name}_{how}"] for name, how in merges]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA)


def bring_up_to_date(archive: Archive, parsed: Parsed | None = None, *, rebuild: bool = False) -> Any:
    """Write ``history.parquet`` with every list of the archive; return the table. The lock must be held.

    Only lists that are neither in it yet nor `parsed` are read, unless one that was in it is gone or
    `rebuild` is asked for.

    Raises
    ------
    InputError
        If a list cannot be read: nothing is written then; or if the table is of another version.
    OutputError
        If it cannot be written.
    """
    known = _NOTHING if rebuild else _read(archive)
    names = {snapshot.name for snapshot in archive.snapshots}
    if known.lists == names and not rebuild and names:
        return known.table
    whole = _completed(archive, known, parsed or {})
    write(archive.folder, whole, names, known.check)
    return whole


def write(folder: Path, table: Any, names: Iterable[str], before: dict[str, Any] | None = None) -> None:
    """Write the history of the lists of these names, and what confirms it and what was there before."""
    out, lists = io.BytesIO(), {_KEY: json.dumps(sorted(names)).encode()}
    pq.write_table(table.replace_schema_metadata(lists), out, compression="zstd")
    content = out.getvalue()
    check = {"version": VERSION, "sha256": digest(content), "rows": table.num_rows}
    write_bytes(folder / CHECK, json.dumps([check, *([before] if before else [])]).encode())
    write_bytes(folder / FILE, content)


def doubts(archive: Archive, lists: Iterable[Any]) -> str:
    """Return what is wrong with the file, "" if nothing is, or it is not there or of other lists.

    `lists` are the `rows_of` each list of the archive.
    """
    known = _read(archive)
    if known.check is None and (archive.folder / FILE).exists():
        return "not the bytes that were written: `mssante-audit archive rebuild` makes it again"
    if known.lists == {s.name for s in archive.snapshots} and not merged(lists).equals(known.table):
        return "does not hold what the lists do: `mssante-audit archive rebuild` makes it again"
    return ""


def history_of(archive: Archive) -> pd.DataFrame:
    """Return the history of an archive: of its file if that is up to date, completed in memory if not."""
    return frame_of(_completed(archive, _read(archive), {}))


def frame_of(table: Any) -> pd.DataFrame:
    """Return an Arrow history as the frame that this module's docstring describes."""
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    return frame.astype(dict.fromkeys(CONTENT, "str"))


def with_operators(history: pd.DataFrame) -> pd.DataFrame:
    """Return a history with what certificates say, ``dn_key``, ``operator_id``, ``operator``."""
    read = {text: parse_dn(text) for text in history["dn"].unique()}
    columns = {
        "dn_key": {text: dn.key for text, dn in read.items()},
        "operator_id": {text: parse_identifier(dn.get("OU")).value for text, dn in read.items()},
        "operator": {text: " ".join(dn.get("O").upper().split()) for text, dn in read.items()},
    }
    return history.assign(**{n: history["dn"].map(values).astype("str") for n, values in columns.items()})


def checks_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what confirms the file, by hash; if that is of another version it is an `InputError`."""
    path = folder / CHECK
    try:
        checks = json.loads(read_bytes(path, MAX_CHECK)) if path.exists() else []
        known = {check["sha256"]: check for check in checks}
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return {}
    if any(check.get("version", VERSION) != VERSION for check in known.values()):
        remedy = f"Update mssante-audit, or remove it and {CHECK}: they are made again"
        raise InputError("written by another version", file=str(folder / FILE), remedy=remedy)
    return known


class _Known(NamedTuple):
    """What the file holds; nothing if it is not there or in doubt."""

    lists: frozenset[str] = frozenset()
    """Names of the lists in it."""
    table: Any = SCHEMA.empty_table()
    check: dict[str, Any] | None = None
    """What confirms it."""


_NOTHING = _Known()


def _completed(archive: Archive, known: _Known, parsed: Parsed) -> Any:
    """Return the history of all lists of an archive, of which some are known."""
    names = {snapshot.name for snapshot in archive.snapshots}
    if known.lists == names:
        return known.table
    done, table = (known.lists, known.table) if known.lists < names else (frozenset(), SCHEMA.empty_table())
    new = (s for s in archive.snapshots if s.name not in done)
    rows = ((parsed[s.name] if s.name in parsed else archive.load(s).entries, s.generated_at) for s in new)
    return merged([table, *itertools.starmap(rows_of, rows)])


def _read(archive: Archive) -> _Known:
    """Return what is in the file; one of another version is an `InputError`."""
    path = archive.folder / FILE
    checks = checks_of(archive.folder)
    if not path.exists():
        return _NOTHING
    content = read_bytes(path, MAX_FILE)
    try:
        if (check := checks.get(digest(content))) is None:
            return _NOTHING  # it can be made again
        # Nor threads nor a Python file: one that still lets go of it while Python ends aborts the process.
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        names = json.loads((table.schema.metadata or {})[_KEY])
        table = table.replace_schema_metadata(None).cast(SCHEMA)
        return _Known(frozenset(names), table, check) if table.num_rows == check["rows"] else _NOTHING
    except (pa.ArrowException, OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError):
        return _NOTHING
