"""The history table: each distinct row content ever listed, when first and last, in how many lists.

``history.parquet`` is made from the originals, never the other way round. Content is what a row says, but for
`DateMAJ`: rows are re-stamped without having changed (data). What ``.history.json`` beside it
(`mssante_audit.base.state`) does not confirm is not believed, but made again.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mssante_audit.base.digest import digest
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import Column
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.state import read_state, write_state
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier

if TYPE_CHECKING:
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
    Column("stamp_first", "datetime64[us, UTC]", "earliest `DateMAJ` it bore, NaT if none could be read"),
    Column("stamp_last", "datetime64[us, UTC]", "latest"),
)

# In the archive's folder; the second has the ``sha256`` of the first and of the one before, for a kill.
FILE, CHECK = "history.parquet", ".history.json"
VERSION = 2
MAX_FILE = 1 << 30
CONTENT = ["domain", "dn", "description", "project_contact", "support_contact"]  # of a row, but its date
_LISTS = b"mssante-audit lists"  # what names the lists in it, in its metadata
_TIME = pa.timestamp("us", "UTC")
_TYPES = {"str": pa.string(), "datetime64[us, UTC]": _TIME, "int32": pa.int32()}
SCHEMA = pa.schema([(column.name, _TYPES[column.dtype]) for column in FRAME])
_MERGE = [
    ("first_seen", "min"), ("last_seen", "max"), ("snapshots", "sum"),
    ("stamp_first", "min"), ("stamp_last", "max"),
]  # fmt: skip


def rows_of(entries: pd.DataFrame, generated_at: datetime) -> Any:
    """Return the history of one list: an Arrow table in `SCHEMA`, one row a content."""
    columns = {name: pa.array(entries[name].array, pa.string()) for name in CONTENT}
    rows = pa.table(columns | {"stamp": pa.array(entries["updated_at"].array, _TIME)})
    contents = rows.group_by(CONTENT, use_threads=False).aggregate([("stamp", "min"), ("stamp", "max")])
    seen, ones = (pa.array([value] * len(contents)) for value in (generated_at, 1))
    *texts, first, last = (contents[name] for name in (*CONTENT, "stamp_min", "stamp_max"))
    return pa.table([*texts, seen, seen, ones, first, last], names=SCHEMA.names).cast(SCHEMA)


def merged(tables: Iterable[Any]) -> Any:
    """Return the history of several histories that have no list in common, sorted."""
    whole = pa.concat_tables([SCHEMA.empty_table(), *tables])
    contents = whole.group_by(CONTENT, use_threads=False).aggregate(_MERGE)
    columns = [contents[name] for name in (*CONTENT, *(f"{name}_{how}" for name, how in _MERGE))]
    table = pa.table(columns, names=SCHEMA.names).cast(SCHEMA)
    return table.sort_by([(name, "ascending") for name in CONTENT]).combine_chunks()


def bring_up_to_date(archive: Archive, *, rebuild: bool = False) -> Any:
    """Write ``history.parquet`` with every list of the archive; return the table. The lock must be held.

    Only lists that are not in it yet are read, unless one that was in it is gone or `rebuild` is asked for.
    If a list cannot be read, or the table is of another version, it is an `InputError`.
    """
    lists, table = (None, None) if rebuild else _read(archive.folder)
    whole, names = _completed(archive, lists, table), _names(archive)
    if not names or lists != names:
        write(archive.folder, whole, names)
    return whole


def write(folder: Path, table: Any, names: Iterable[str]) -> None:
    """Write the history of the lists of these names, and what confirms it."""
    out, lists = io.BytesIO(), {_LISTS: json.dumps(sorted(names)).encode()}
    pq.write_table(table.replace_schema_metadata(lists), out, compression="zstd")
    content, before = out.getvalue(), _confirmed(folder)
    hashes = [digest(version) for version in (content, before) if version]
    write_state(folder / CHECK, VERSION, {"sha256": hashes})
    write_bytes(folder / FILE, content)


def doubts(archive: Archive, lists: Iterable[Any]) -> str:
    """Return what is wrong with the file, given the `rows_of` each list; "" if nothing, or it is stale."""
    names, table = _read(archive.folder)
    if names is None and (archive.folder / FILE).exists():
        return "not the bytes that were written: `mssante-audit archive rebuild` makes it again"
    if names == _names(archive) and not merged(lists).equals(table):
        return "does not hold what the lists do: `mssante-audit archive rebuild` makes it again"
    return ""


def history_of(archive: Archive) -> pd.DataFrame:
    """Return the history of an archive: of its file if that is up to date, completed in memory if not."""
    return frame_of(_completed(archive, *_read(archive.folder)))


def frame_of(table: Any) -> pd.DataFrame:
    """Return an Arrow history as the frame that this module's docstring describes."""
    frame: pd.DataFrame = table.to_pandas()
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


def check_of(folder: Path) -> dict[str, Any] | None:
    """Return what confirms the file; one that was changed, or of another version, is an `InputError`."""
    remedy = f"Update mssante-audit, or remove it and {FILE}: they are made again"
    return read_state(folder / CHECK, VERSION, remedy=remedy)


def _names(archive: Archive) -> frozenset[str]:
    return frozenset(snapshot.name for snapshot in archive.snapshots)


def _completed(archive: Archive, lists: frozenset[str] | None, table: Any) -> Any:
    if lists is None or not lists <= _names(archive):
        lists, table = frozenset(), SCHEMA.empty_table()
    new = [s for s in archive.snapshots if s.name not in lists]
    return merged([table, *(rows_of(archive.load(s).entries, s.generated_at) for s in new)]) if new else table


def _confirmed(folder: Path) -> bytes:
    """Return the file's bytes; b"" if it is not there or in doubt."""
    check, path = check_of(folder), folder / FILE
    content = read_bytes(path, MAX_FILE) if path.exists() else b""
    return content if check is not None and digest(content) in check["sha256"] else b""


def _read(folder: Path) -> tuple[frozenset[str] | None, Any]:
    """Return which lists are in the file, and the table; ``None`` if it is not there or in doubt."""
    if not (content := _confirmed(folder)):
        return None, None
    # Nor threads nor a Python file: one that still lets go of it while Python ends aborts the process.
    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    return frozenset(json.loads(table.schema.metadata[_LISTS])), table.replace_schema_metadata(None)
