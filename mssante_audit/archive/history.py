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
from pyarrow import parquet

from mssante_audit.base.digest import digest
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import columns_of, dtypes, frame_of
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.state import read_state, write_state
from mssante_audit.whitelist.load import DN_COLUMNS, names_in, parsed

if TYPE_CHECKING:
    from mssante_audit.archive.store import Archive

FRAME = columns_of("mssante_audit.archive", "history")

# In the archive's folder; the second has the ``sha256`` of the first and of the one before, for a kill.
FILE, CHECK = "history.parquet", ".history.json"
VERSION = 2
MAX_FILE = 1 << 30
CONTENT = ["domain", "dn", "description", "project_contact", "support_contact"]  # of a row, but its date
_LISTS = b"mssante-audit lists"  # what names the lists in it, in its metadata
_NOTHING = None, frame_of((), FRAME)


def rows_of(entries: pd.DataFrame, generated_at: datetime) -> pd.DataFrame:
    """Return the history of one list, as this module's docstring describes it."""
    stamps = entries.groupby(CONTENT, sort=False)["updated_at"].agg(stamp_first="min", stamp_last="max")
    rows = stamps.reset_index().assign(first_seen=generated_at, last_seen=generated_at, snapshots=1)
    return rows[[column.name for column in FRAME]].astype(dtypes(FRAME))


def merged(histories: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the history of several histories that have no list in common, sorted."""
    aggregation = {"snapshots": "sum"} | dict.fromkeys(("first_seen", "stamp_first"), "min")
    aggregation |= dict.fromkeys(("last_seen", "stamp_last"), "max")
    contents = pd.concat([_NOTHING[1], *histories]).groupby(CONTENT).agg(aggregation).reset_index()
    return contents[[column.name for column in FRAME]].astype(dtypes(FRAME))


def bring_up_to_date(archive: Archive, *, rebuild: bool = False) -> pd.DataFrame:
    """Write ``history.parquet`` with every list of the archive; return the history. The lock must be held.

    Only lists that are not in it yet are read, unless one that was in it is gone or `rebuild` is asked for.
    If a list cannot be read, or the file is of another version, it is an `InputError`.
    """
    lists, rows = _NOTHING if rebuild else _read(archive.folder)
    history, names = _completed(archive, lists, rows), _names(archive)
    if not names or lists != names:
        write(archive.folder, history, names)
    return history


def write(folder: Path, history: pd.DataFrame, names: Iterable[str]) -> None:
    """Write the history of the lists of these names, and what confirms it."""
    table, out = pa.Table.from_pandas(history, nthreads=1, preserve_index=False), io.BytesIO()
    metadata = {**(table.schema.metadata or {}), _LISTS: json.dumps(sorted(names)).encode()}
    parquet.write_table(table.replace_schema_metadata(metadata), out, compression="zstd")
    content, before = out.getvalue(), _confirmed(folder)
    hashes = [digest(version) for version in (content, before) if version]
    write_state(folder / CHECK, VERSION, {"sha256": hashes})
    write_bytes(folder / FILE, content)


def doubts(archive: Archive, lists: Iterable[pd.DataFrame]) -> str:
    """Return what is wrong with the file, given the `rows_of` each list; "" if nothing, or it is stale."""
    names, history = _read(archive.folder)
    if names is None and (archive.folder / FILE).exists():
        return "not the bytes that were written: `mssante-audit archive rebuild` makes it again"
    if names == _names(archive) and not merged(lists).equals(history):
        return "does not hold what the lists do: `mssante-audit archive rebuild` makes it again"
    return ""


def history_of(archive: Archive) -> pd.DataFrame:
    """Return the history of an archive: of its file if that is up to date, completed in memory if not."""
    return _completed(archive, *_read(archive.folder))


def with_operators(history: pd.DataFrame) -> pd.DataFrame:
    """Return a history with what certificates say, ``dn_key``, ``operator_id``, ``operator``."""
    columns = parsed(pa.array(history["dn"].tolist(), pa.large_string()), names_in, DN_COLUMNS)
    return history.assign(**{name: columns[name] for name in ("dn_key", "operator_id", "operator")})


def check_of(folder: Path) -> dict[str, Any] | None:
    """Return what confirms the file; one that was changed, or of another version, is an `InputError`."""
    remedy = f"Update mssante-audit, or remove it and {FILE}: they are made again"
    return read_state(folder / CHECK, VERSION, remedy=remedy)


def _names(archive: Archive) -> frozenset[str]:
    return frozenset(snapshot.name for snapshot in archive.snapshots)


def _completed(archive: Archive, lists: frozenset[str] | None, history: pd.DataFrame) -> pd.DataFrame:
    if lists is None or not lists <= _names(archive):
        lists, history = frozenset(), _NOTHING[1]
    new = [s for s in archive.snapshots if s.name not in lists]
    rows = (rows_of(archive.load(s).entries, s.generated_at) for s in new)
    return merged([history, *rows]) if new else history


def _confirmed(folder: Path) -> bytes:
    """Return the file's bytes; b"" if it is not there or in doubt."""
    check, path = check_of(folder), folder / FILE
    content = read_bytes(path, MAX_FILE) if path.exists() else b""
    return content if check is not None and digest(content) in check["sha256"] else b""


def _read(folder: Path) -> tuple[frozenset[str] | None, pd.DataFrame]:
    """Return which lists are in the file, and the history; `_NOTHING` if it is not there or in doubt."""
    if not (content := _confirmed(folder)):
        return _NOTHING
    # Nor threads nor a Python file: one that still lets go of it while Python ends aborts the process.
    table = parquet.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    history: pd.DataFrame = table.to_pandas(use_threads=False)
    return frozenset(json.loads(table.schema.metadata[_LISTS])), history
