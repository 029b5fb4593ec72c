"""The archive: every published list ever collected, its original bytes, and a log of what happened.

An archive is a folder::

    2025-02-28T154207Z-c14b7135.xml.gz   a list: generation time (UTC), SHA-256 of the XML
    quarantine/                          lists that cannot be trusted, each with a ``.reason.txt`` beside it
    log.jsonl                            one JSON record for every fetch and import (`Record`)
    history.parquet                      what was in which lists (`mssante_audit.history`); made from the rest
    .lock                                held by whoever writes

A file appears whole or not at all, and before the record that tells of it: a run killed at any instant leaves
a list that is kept and not recorded, at worst, which the next run records.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.errors import AuditError, InputError, OutputError
from mssante_audit.export import output_error, write_bytes
from mssante_audit.whitelist import WhiteList, load_whitelist

if TYPE_CHECKING:
    import pandas as pd

LOG, LOCK, QUARANTINE, HISTORY = "log.jsonl", ".lock", "quarantine", "history.parquet"
SKEW = timedelta(hours=1)
"""How far ahead of our clock a list may be dated before it counts as one of the future."""
MAX_LOSS = 0.1
"""Share of its rows that a list may lose against the one before it without being flagged."""

GOOD = ("kept", "same", "unchanged")
"""Outcomes after which the archive holds what the server publishes."""

_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}Z)-([0-9a-f]{8})\.xml\.gz")
_TIME = "%Y-%m-%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """A list that the archive keeps. Snapshots sort by generation time, then by hash."""

    generated_at: datetime
    """As in its name (UTC, to the second)."""
    sha: str
    """First eight digits of its SHA-256, as in its name."""
    path: Path = field(compare=False)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Record:
    """What a fetch or an import did with one list: a line of ``log.jsonl``."""

    at: str
    """When (UTC, ISO 8601)."""
    action: str
    """``fetch`` or ``import``."""
    outcome: str
    """``kept``; ``same`` (kept already); ``unchanged`` (the server says so); ``quarantined``; ``failed``."""
    file: str = ""
    """Name in the archive, or in its quarantine."""
    sha256: str = ""
    rows: int = 0
    flags: tuple[str, ...] = ()
    """``older`` than the last list; ``shrunk``: lost more rows than allowed; ``future``; ``same-second``."""
    message: str = ""
    """Why it was quarantined, flagged, or failed."""
    source: str = ""
    """URL, or name of the file."""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Archive:
    """An archive, opened. Its content is read when first asked for."""

    folder: Path
    anchors: tuple[str | Path, ...] = ()
    """Certificate files and folders to trust. IGC-Santé's certificates in the archive, or in the folder it
    lies in, are recognised and need not be named."""

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The lists kept, oldest first."""
        return tuple(sorted(filter(None, map(_snapshot, _files(self.folder)))))

    @cached_property
    def log(self) -> tuple[Record, ...]:
        """The records, oldest first."""
        return tuple(read_log(self.folder))

    def until(self, as_of: datetime) -> tuple[Snapshot, ...]:
        """Return the lists that can have been published at that instant."""
        return tuple(s for s in self.snapshots if s.generated_at <= as_of + SKEW)

    def current(self, as_of: datetime | None = None) -> Snapshot | None:
        """Return the last good list as of an instant (now by default); lists of the future are none."""
        known = self.until(as_of or datetime.now(UTC))
        return known[-1] if known else None

    def find(self, text: str) -> Snapshot:
        """Return the list that `text` means: a file's name or the start of it, or the last one of a date.

        Raises
        ------
        InputError
            If there is none.
        """
        from mssante_audit.space import parse_instant

        named = [
            s for s in self.snapshots if text and s.name.startswith(text) and len(text) > len("2025-01-01")
        ]
        if named:
            return named[-1]
        instant = parse_instant(text)
        if len(text) == len("2025-01-01"):
            instant += timedelta(days=1) - timedelta(microseconds=1)
        known = [s for s in self.snapshots if s.generated_at <= instant]
        if not known:
            first = f"The first is of {self.snapshots[0].generated_at:%Y-%m-%d}" if self.snapshots else None
            raise InputError(f"no list of {text} or before", file=str(self.folder), remedy=first)
        return known[-1]

    def load(self, snapshot: Snapshot) -> WhiteList:
        """Load a list, and check that it is the one that its name says.

        Raises
        ------
        InputError
            If it is gone, damaged, or another.
        """
        return load_kept(snapshot, self.trusted)

    @cached_property
    def trusted(self) -> tuple[str | Path, ...]:
        """The anchors, with those recognised in the folder that the archive lies in."""
        return (*self.anchors, *_recognised(self.folder.resolve().parent))

    @cached_property
    def history(self) -> pd.DataFrame:
        """The history table (`mssante_audit.history`), read from its file or, if that is stale, made anew."""
        from mssante_audit.history import history_of

        return history_of(self)


def open_archive(folder: str | Path, anchors: Sequence[str | Path] = ()) -> Archive:
    """Open an archive, which may be empty or not there yet."""
    return Archive(Path(folder), tuple(anchors))


def load_kept(snapshot: Snapshot, anchors: Sequence[str | Path] = ()) -> WhiteList:
    """Load a kept list; see `Archive.load`."""
    whitelist = load_whitelist(snapshot.path, any_namespace=True, anchors=anchors)
    if not whitelist.sha256.startswith(snapshot.sha):
        raise InputError(
            "holds other bytes than its name says",
            file=str(snapshot.path),
            remedy="Put the right file back, then run `mssante-audit archive verify`",
        )
    return whitelist


# -- keeping ------------------------------------------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an archive's lock; make the archive if there is none. What killed runs left is removed.

    Raises
    ------
    OutputError
        If another run holds it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        (folder / QUARANTINE).mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK, timeout=0):
            for draft in (*folder.glob(".*.tmp"), *folder.glob(f"{QUARANTINE}/.*.tmp")):
                draft.unlink(missing_ok=True)
            yield
    except Timeout:
        raise OutputError(
            "another run is writing to this archive", file=str(folder), remedy="Wait for it to end"
        ) from None
    except OSError as error:
        if isinstance(error, AuditError):
            raise
        raise output_error(error, folder) from error


def keep(
    archive: Archive,
    content: bytes,
    record: Record,
    *,
    max_loss: float = MAX_LOSS,
    now: datetime | None = None,
) -> Record:
    """Keep a list, or put it in quarantine; write the record. The archive's lock must be held.

    Parameters
    ----------
    archive
        Opened afresh for each list, or after the lock was taken.
    content
        The list's bytes, XML or gzip.
    record
        What is known so far: `at`, `action`, `source` and what the server said.
    max_loss
        Share of rows lost from which the list is flagged.
    now
        The present.

    Returns
    -------
    Record
        With the outcome, as it was written.

    Raises
    ------
    OutputError
        If the archive cannot be written.
    """
    now = now or datetime.now(UTC)
    try:
        # Under a name in the archive, so that certificates lying there are found.
        whitelist = load_whitelist(content, any_namespace=True, anchors=_anchors(archive))
        verdict = whitelist.signature
        if whitelist.generated_at is None:
            reason = "its generation time cannot be read"
        elif verdict.status != "valid":
            reason = f"its signature is {verdict.status}: {verdict.why}"
        else:
            return append(archive.folder, _store(archive, whitelist, record, max_loss, now))
    except InputError as error:
        reason = str(error)
    return append(archive.folder, _quarantine(archive.folder, content, record, reason))


def _store(archive: Archive, whitelist: WhiteList, record: Record, max_loss: float, now: datetime) -> Record:
    made = whitelist.generated_at
    assert made is not None  # noqa: S101 - `keep` has seen to it
    name = f"{made.strftime(_TIME)}-{whitelist.sha256[:8]}.xml.gz"
    record = replace(record, file=name, sha256=whitelist.sha256, rows=len(whitelist.entries))
    target = archive.folder / name
    if target.exists():
        if _digest(target) == whitelist.sha256:
            return replace(record, outcome="same")
        record = replace(record, message="the kept file held other bytes, and was replaced")
    flags, notes = _flags(archive, whitelist, name, max_loss, now)
    write_bytes(target, gzip.compress(whitelist.content(), mtime=0))
    message = "; ".join(filter(None, [record.message, *notes]))
    return replace(record, outcome="kept", flags=tuple(flags), message=message)


def _flags(
    archive: Archive, whitelist: WhiteList, name: str, max_loss: float, now: datetime
) -> tuple[list[str], list[str]]:
    """Tell what is odd about a good list, and in words."""
    flags: dict[str, str] = {}
    made = whitelist.generated_at
    assert made is not None  # noqa: S101 - `keep` has seen to it
    if made > now + SKEW:
        flags["future"] = f"generated {made:%Y-%m-%d %H:%M} UTC, after our clock ({now:%Y-%m-%d %H:%M})"
    others = [s for s in archive.snapshots if s.name != name]
    second = made.replace(microsecond=0)
    if any(s.generated_at == second for s in others):
        flags["same-second"] = "another list was generated in that second"
    known = [s for s in others if s.generated_at <= now + SKEW]
    if known and second < known[-1].generated_at:
        flags["older"] = f"older than the last list, of {known[-1].generated_at:%Y-%m-%d %H:%M} UTC"
    before = [s for s in known if s.generated_at < second]
    if before:
        rows = _rows(archive, before[-1])
        if rows and len(whitelist.entries) < (1 - max_loss) * rows:
            flags["shrunk"] = f"{len(whitelist.entries)} rows, {rows} in the list before"
    return list(flags), list(flags.values())


def _rows(archive: Archive, snapshot: Snapshot) -> int:
    for record in reversed(read_log(archive.folder)):
        if record.file == snapshot.name and record.outcome in GOOD and record.rows:
            return record.rows
    try:
        return len(load_kept(snapshot).entries)
    except InputError:
        return 0


def _quarantine(folder: Path, content: bytes, record: Record, reason: str) -> Record:
    made = "undated"
    try:
        whitelist = load_whitelist(content, recover=True, any_namespace=True)
        made = whitelist.generated_at.strftime(_TIME) if whitelist.generated_at else made
        digest, rows = whitelist.sha256, len(whitelist.entries)
    except InputError:
        digest, rows = hashlib.sha256(content).hexdigest(), 0
    name = f"{made}-{digest[:8]}.gz"
    # The very bytes received, under one more layer: what is in them is not known.
    write_bytes(folder / QUARANTINE / name, gzip.compress(content, mtime=0))
    write_bytes(folder / QUARANTINE / f"{name}.reason.txt", f"{reason}\n".encode("utf-8", "backslashreplace"))
    return replace(record, outcome="quarantined", file=name, sha256=digest, rows=rows, message=reason)


def import_lists(
    archive: Archive, files: Sequence[Path], *, max_loss: float = MAX_LOSS, now: datetime | None = None
) -> Iterator[Record]:
    """Keep lists collected elsewhere, in whatever order; yield what became of each."""
    from mssante_audit.history import bring_up_to_date

    with locked(archive.folder):
        for file in files:
            fresh = Archive(archive.folder, archive.anchors)
            record = Record(_now(now), "import", "failed", source=file.name)
            try:
                content = file.read_bytes()
            except OSError as error:
                why = f"cannot be read ({(error.strerror or 'unknown error').lower()})"
                yield append(archive.folder, replace(record, message=why))
                continue
            yield keep(fresh, content, record, max_loss=max_loss, now=now)
        bring_up_to_date(Archive(archive.folder, archive.anchors))


# -- checking -----------------------------------------------------------------------------------------------


def verify(archive: Archive) -> Iterator[tuple[str, str]]:
    """Check every list again; yield (file, what is wrong, or "" if nothing is).

    A list that the log says was kept and that is gone is told too, as is one that nobody recorded.
    """
    recorded = {r.file: r.sha256 for r in archive.log if r.outcome in ("kept", "same")}
    for snapshot in archive.snapshots:
        fault = ""
        try:
            whitelist = archive.load(snapshot)
            if whitelist.generated_at is None or whitelist.generated_at.strftime(_TIME) != snapshot.name[:18]:
                fault = "generated at another time than its name says"
            elif recorded.get(snapshot.name, whitelist.sha256) != whitelist.sha256:
                fault = "not the bytes that were recorded when it was kept"
            elif whitelist.signature.status != "valid":
                fault = f"signature {whitelist.signature.status}: {whitelist.signature.why}"
        except InputError as error:
            fault = error.message
        yield snapshot.name, fault
    there = {s.name for s in archive.snapshots}
    for name in sorted(recorded.keys() - there):
        yield name, "gone: the log says that it was kept"


# -- the log ------------------------------------------------------------------------------------------------


def read_log(folder: Path) -> list[Record]:
    """Return the records of an archive's log; a line that a kill or a full disk cut off is passed over."""
    try:
        lines = (folder / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=str(folder / LOG)) from error
    return list(filter(None, map(_record, lines)))


def _record(line: bytes) -> Record | None:
    try:
        fields: dict[str, Any] = json.loads(line)
        known = {name: fields[name] for name in Record.__dataclass_fields__ if name in fields}
        record = Record(**known)
        return replace(record, flags=tuple(record.flags))
    except (ValueError, TypeError, AttributeError):
        return None


def append(folder: Path, record: Record) -> Record:
    """Write a record at the end of the log, on a line of its own whatever a killed run left there.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    line = json.dumps(asdict(record), ensure_ascii=True).encode() + b"\n"
    try:
        with (folder / LOG).open("a+b") as log:
            size = log.seek(0, os.SEEK_END)
            if size:
                log.seek(size - 1)
                line = line if log.read(1) == b"\n" else b"\n" + line
            log.write(line)
            log.flush()
            os.fsync(log.fileno())
    except OSError as error:
        raise output_error(error, folder / LOG) from error
    return record


def _now(now: datetime | None = None) -> str:
    return (now or datetime.now(UTC)).isoformat(timespec="seconds")


# -- files --------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=str(folder)) from error


def _snapshot(path: Path) -> Snapshot | None:
    named = _NAME.fullmatch(path.name)
    if named is None:
        return None
    try:
        return Snapshot(datetime.strptime(named[1], _TIME).replace(tzinfo=UTC), named[2], path)
    except ValueError:
        return None


def _digest(path: Path) -> str:
    try:
        return load_whitelist(path, recover=True, any_namespace=True).sha256
    except InputError:
        return ""


def _anchors(archive: Archive) -> tuple[str | Path, ...]:
    return (*archive.trusted, *_recognised(archive.folder))


def _recognised(folder: Path) -> list[Path]:
    """Return the files in a folder, or one below, that hold pinned certificates of IGC-Santé."""
    from mssante_audit.signature import CERTIFICATE_SUFFIXES, fingerprint, load_certificates, pinned

    found = []
    for file in (*folder.glob("*"), *folder.glob("*/*")):
        if file.suffix.lower() in CERTIFICATE_SUFFIXES and file.is_file():
            try:
                certificates = load_certificates(file)
            except InputError:
                continue
            # A file that also holds others would make them trusted too.
            if certificates and all(fingerprint(c) in pinned()["trusted"] for c in certificates):
                found.append(file)
    return sorted(found)
