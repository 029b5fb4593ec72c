"""The archive: every published list ever collected, its original bytes, and a log of what happened.

docs/archive.md says what is in its folder. A file appears whole or not at all, and before the record that
tells of it: a run killed at any instant leaves a list not recorded, at worst, which the next run records.
"""

import gzip
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive import history
from mssante_audit.archive.changes import Side, side_of
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.base.export import append_line, sync_folder, write_bytes
from mssante_audit.base.instants import SKEW, asked_instant, stamp_of, stamped
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.resources import real_path
from mssante_audit.base.staging import exclusive
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.certificates import of_sample
from mssante_audit.whitelist.load import (
    MAX_BYTES,
    WhiteList,
    content_of,
    doubts,
    is_audit_domain,
    is_html,
    load_whitelist,
)
from mssante_audit.whitelist.rows import structures
from mssante_audit.whitelist.signature import SAMPLE_SIGNER, SIGNER, common_names, signer_of

QUARANTINE, LOG = "quarantine", "log.jsonl"
PUT_BACK = "Put the right file back, then run `mssante-audit archive verify`"
VERSION = 1  # of the log
MAX_LOG = 1 << 27  # its bytes: some thousand years of nights
GOOD = ("kept", "same", "unchanged")  # outcomes after which the archive holds what the server publishes
MAX_LOSS = 0.1  # share of its rows that a list may lose against the one before without being flagged
_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d{6}Z)-([0-9a-f]{8})\.xml\.gz")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a fetch or an import did with one list: a line of ``log.jsonl``.

    Flags: ``older`` than the last list; ``shrunk``: lost more rows than allowed; ``future``; ``same-second``;
    ``changed-signer``: of another signer than expected. A `doubt` is why it was quarantined (``html``, or a
    code of `mssante_audit.whitelist.load.doubts`), or why no list could be had (`FetchError`).
    """

    at: str  # when (UTC, ISO 8601)
    action: str  # ``fetch`` or ``import``
    # ``kept``; ``same`` (kept already); ``unchanged`` (the server says so); ``quarantined``; or ``failed``
    outcome: str
    file: str = ""  # name in the archive, or in its quarantine
    sha256: str = ""
    made: str = ""  # when a list in quarantine says that it was generated (UTC, ISO 8601)
    rows: int = 0
    signer: str = ""  # common name of whoever signed it, if it was found valid, or flagged for its signer
    flags: tuple[str, ...] = ()
    doubt: str = ""
    message: str = ""  # why it was quarantined, flagged, or failed
    source: str = ""  # URL without credentials, or name of the file
    etag: str = ""
    last_modified: str = ""

    @property
    def line(self) -> str:
        """What was done, in a line."""
        flags = f" [{', '.join(self.flags)}]" if self.flags else ""
        return f"{self.outcome}{flags} {self.file}: {self.message}".rstrip(": ")


def read_log(folder: Path) -> list[LogLine]:
    """Return the records of a log, lines cut off left out; one of another version is an `InputError`."""
    path, records = folder / LOG, list[LogLine]()
    lines = read_bytes(path, MAX_LOG).splitlines() if os.path.lexists(path) else ()
    for number, line in enumerate(lines, 1):
        with suppress(json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError, RecursionError):
            content = json.loads(line)
            if content.get("version", VERSION) != VERSION:
                message = "written by another version (format {}, this one reads {})"
                formats, remedy = (repr(content["version"]), VERSION), "Update mssante-audit"
                raise InputError(message, *formats, file=str(path), line=number, remedy=remedy)
            values = {entry.name: content[entry.name] for entry in fields(LogLine) if entry.name in content}
            records.append(LogLine(**values | {"flags": tuple(values.get("flags", ()))}))
    return records


def append(folder: Path, record: LogLine) -> LogLine:
    """Write a record at the end of the log (`append_line`, with its errors), after what it is of."""
    sync_folder(folder)
    append_line(folder / LOG, json.dumps({"version": VERSION} | asdict(record), ensure_ascii=True))
    return record


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """A stored list; it sorts by generation time and hash, which are in its name."""

    generated_at: datetime  # UTC, to the second
    sha: str  # first eight digits of its SHA-256
    path: Path = field(compare=False)

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name


@dataclass(frozen=True)
class Archive:
    """An archive, opened. Its content is read when first asked for.

    IGC-Santé's certificates and revocation lists in the folder it lies in need not be named.
    """

    folder: Path
    anchors: tuple[str | Path, ...] = ()  # certificate files and folders to trust
    signer: str | None = None  # common name of whoever should have signed the lists

    @cached_property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The lists kept, oldest first."""
        try:
            files = [entry for entry in self.folder.iterdir() if not entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise InputError("cannot be read ({})", error.strerror, file=str(self.folder)) from error
        return tuple(sorted(filter(None, map(_snapshot, files))))

    @cached_property
    def log(self) -> tuple[LogLine, ...]:
        """The records, oldest first."""
        return tuple(read_log(self.folder))

    @cached_property
    def kept(self) -> dict[str, LogLine]:
        """The record of each list that was found valid, by file."""
        return {record.file: record for record in self.log if record.outcome in ("kept", "same")}

    @property
    def beside(self) -> Path:
        """The folder that it lies in."""
        return real_path(self.folder).parent

    @cached_property
    def history(self) -> pd.DataFrame:
        """The history table (`mssante_audit.archive.history`), read from its file or, if stale, made anew."""
        return history.history_of(self)

    @cached_property
    def structures(self) -> dict[str, str]:
        """Which identifiers stand for one structure, as all its lists show; empty if one cannot be read."""
        try:
            rows = self.history[["domain", "dn", "project_contact", "support_contact"]].drop_duplicates()
        except InputError:
            return {}
        tests = [name for name in rows["domain"].unique() if is_audit_domain(name)]
        rows = rows[~rows["domain"].isin(tests)]
        return structures(history.with_operators(rows).assign(row=range(len(rows))))

    def until(self, as_of: datetime) -> tuple[Snapshot, ...]:
        """Return the lists that can have been published at that instant."""
        return tuple(s for s in self.snapshots if s.generated_at <= as_of + SKEW)

    def find(self, text: str) -> Snapshot:
        """Return the last list of a name, the start of one, or a date; if there is none an `InputError`."""
        day = len("2025-01-01")
        if named := [s for s in self.snapshots if len(text) > day and s.name.startswith(text)]:
            return named[-1]
        instant = asked_instant(text)
        if len(text) == day:
            instant += timedelta(days=1) - timedelta(microseconds=1)
        if earlier := [s for s in self.snapshots if s.generated_at <= instant]:
            return earlier[-1]
        first = f"The first is of {self.snapshots[0].generated_at:%Y-%m-%d}" if self.snapshots else None
        raise InputError("no list of {} or before", text, file=str(self.folder), remedy=first)

    def read(self, given: str | Path | bytes, **mode: bool) -> WhiteList:
        """Load a list, its own or another's, verified with what it trusts (`load_whitelist`)."""
        mode = {"any_namespace": True, **mode}
        anchors = (*self.anchors, *of_sample(self.beside))
        return load_whitelist(given, anchors=anchors, signer=self.signer, beside=self.beside, **mode)

    def load(self, snapshot: Snapshot) -> WhiteList:
        """Load a list; one that is gone, damaged, or not the one that its name says is an `InputError`."""
        try:
            whitelist = self.read(snapshot.path)
        except WhiteListError as error:
            raise error.within(InputError, error.file, PUT_BACK) from error
        return checked(whitelist, snapshot.path)

    def side(self, snapshot: Snapshot, *, believe: bool = True) -> Side:
        """Load a list to compare it with another; errors as in `load`.

        The signature of the very bytes that the log says were found right, by the signer expected now, is not
        checked again if the log is to be believed: of many lists that would take long.
        """
        whitelist, record = self.load(snapshot), self.kept.get(snapshot.name)
        signer = self.signer_of(snapshot) if record and record.sha256 == whitelist.sha256 else ""
        right = believe and signer in ((self.signer,) if self.signer else (SIGNER, SAMPLE_SIGNER))
        side = Side(whitelist.entries, signer=signer) if right else side_of(whitelist)
        return replace(side, time=snapshot.generated_at, structures=self.structures)

    def signer_of(self, snapshot: Snapshot) -> str:
        """Return the common name of whoever signed a list, unchecked; "" if that cannot be read."""
        record = self.kept.get(snapshot.name)
        if record and record.signer:
            return record.signer
        signer = signer_of(content_of(snapshot.path))
        return ", ".join(common_names(signer)) if signer else ""


def open_archive(
    folder: str | Path, anchors: Sequence[str | Path] = (), signer: str | None = None
) -> Archive:
    """Open an archive, which may be empty or not there yet."""
    return Archive(Path(folder), tuple(anchors), signer)


def checked(whitelist: WhiteList, path: Path) -> WhiteList:
    """Return a list whose hash is that of its file's name; else it is an `InputError`."""
    snapshot = _snapshot(path)
    if snapshot and not whitelist.damaged and not whitelist.sha256.startswith(snapshot.sha):
        raise InputError("holds other bytes than its name says", file=str(path), remedy=PUT_BACK)
    return whitelist


def verify(archive: Archive) -> Iterator[tuple[str, str]]:
    """Check every list, the log and the history; yield (file, what is wrong, or "" if nothing is)."""
    rows: list[Any] = []
    recorded = {name: record.sha256 for name, record in archive.kept.items()}
    for snapshot in archive.snapshots:
        fault = ""
        try:
            whitelist = archive.load(snapshot)
            rows.append(history.rows_of(whitelist.entries, snapshot.generated_at))
            if whitelist.generated_at is None or stamp_of(whitelist.generated_at) != snapshot.name[:18]:
                fault = "generated at another time than its name says"
            elif recorded.get(snapshot.name, whitelist.sha256) != whitelist.sha256:
                fault = "not the bytes that were recorded when it was kept"
            elif whitelist.signature.status != "valid":
                fault = f"signature {whitelist.signature.status}: {whitelist.signature.why}"
        except InputError as error:
            fault = error.message
        yield snapshot.name, fault
    names = {snapshot.name for snapshot in archive.snapshots}
    for name in sorted(recorded.keys() - names):
        yield name, "gone: the log says that it was kept"
    if len(rows) == len(names) and (fault := history.doubts(archive, rows)):
        yield history.FILE, fault


def _snapshot(path: Path) -> Snapshot | None:
    named = _NAME.fullmatch(path.name)
    with suppress(ValueError):
        return named and Snapshot(stamped(named[1]), named[2], path)
    return None


def find_archive(data: Path, anchors: Sequence[str | Path] = (), signer: str | None = None) -> Archive | None:
    """Return the archive in a data folder, or the folder as archive; ``None`` without a list."""
    archives = (open_archive(folder, anchors, signer) for folder in (data / "archive", data))
    return next((archive for archive in archives if archive.snapshots), None)


def lists_in(folder: Path) -> list[Path]:
    """Return the lists that lie in a folder, in order of name."""
    return sorted(
        f for f in folder.iterdir() if f.name.lower().endswith((".xml", ".xml.gz")) and not f.is_dir()
    )


def find_whitelist(data: Path, archive: Archive | None = None, as_of: datetime | None = None) -> Path:
    """Return the white list that `data` stands for; if there is none it is an `InputError`.

    It is a file, the last of a folder in order of name, or the last of its `archive` as of `as_of` (now).
    """
    if not data.exists():
        raise InputError("no such file or folder", file=str(data))
    if not data.is_dir():  # who reads it says so of a pipe
        return data
    lists = lists_in(data)
    if archive and (not lists or archive.folder == data):
        lists = [snapshot.path for snapshot in archive.until(as_of or datetime.now(UTC))]
        if not lists:
            raise InputError("no list of that date or before", file=str(archive.folder))
    if not lists:
        remedy = "Put a .xml or .xml.gz white list in the folder"
        raise InputError("no white list here", file=str(data), remedy=remedy)
    return lists[-1]


def listed_rows(data: Path, as_of: datetime | None = None, **mode: Any) -> pd.DataFrame:
    """Return the rows of the list that `data` stands for, whatever lies beside it (`find_whitelist`)."""
    return load_whitelist(find_whitelist(data, find_archive(data), as_of), **mode).entries


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an archive's lock, made if there is none; what killed runs left is removed."""
    with exclusive(folder, "another run is writing to this archive"):
        read_log(folder)
        history.check_of(folder)
        (folder / QUARANTINE).mkdir(exist_ok=True)
        for draft in (*folder.glob(".*.tmp"), *folder.glob(f"{QUARANTINE}/.*.tmp")):
            draft.unlink(missing_ok=True)
        yield


def keep(
    archive: Archive, content: bytes, record: LogLine, max_loss: float = MAX_LOSS, now: datetime | None = None
) -> LogLine:
    """Keep a list (XML or gzip), or put it in quarantine; write the record, and return it with the outcome.

    The archive's lock must be held, and the archive opened since. `record` has what is known so far.
    """
    try:
        whitelist = archive.read(content, recover=True)
    except InputError as error:  # nothing of it can be read
        record = replace(record, sha256=digest(content), doubt="html" if is_html(content) else "damaged")
        return _quarantine(archive.folder, content, record, None, str(error))
    verdict, made_at = whitelist.signature, whitelist.generated_at
    signer = parse_dn(verdict.signer).get("CN")
    record = replace(record, sha256=whitelist.sha256, rows=len(whitelist.entries))
    if made_at and verdict.status == "valid":
        record = replace(record, signer=signer)
        record = _store(archive, whitelist, made_at, record, max_loss, now or datetime.now(UTC))
        return append(archive.folder, record)
    record = replace(record, doubt=[*doubts(whitelist), "undated"][0])
    if verdict.reason == "signer":
        record = replace(record, signer=signer, flags=("changed-signer",))
    reason = f"its signature is {verdict.status}: {verdict.why}"
    if whitelist.damaged:
        reason = f"{whitelist.damage}; {record.rows} rows are readable"
    elif made_at is None:
        reason = "its generation time cannot be read"
    return _quarantine(archive.folder, content, record, made_at, reason)


def _store(
    archive: Archive, whitelist: WhiteList, made_at: datetime, record: LogLine, max_loss: float, now: datetime
) -> LogLine:
    record = replace(record, file=f"{stamp_of(made_at)}-{whitelist.sha256[:8]}.xml.gz")
    target, notes = archive.folder / record.file, list[str]()
    if target.exists():
        if digest(content_of(target)) == whitelist.sha256:
            return replace(record, outcome="same")
        notes.append("the kept file held other bytes, and was replaced")
    flags: dict[str, str] = {}
    if made_at > now + SKEW:
        flags["future"] = f"generated {made_at:%Y-%m-%d %H:%M} UTC, after our clock ({now:%Y-%m-%d %H:%M})"
    others = [s for s in archive.snapshots if s.name != record.file]
    second = made_at.replace(microsecond=0)
    if any(s.generated_at == second for s in others):
        flags["same-second"] = "another list was generated in that second"
    published = [s for s in others if s.generated_at <= now + SKEW]
    if published and second < published[-1].generated_at:
        flags["older"] = f"older than the last list, of {published[-1].generated_at:%Y-%m-%d %H:%M} UTC"
    if before := [s for s in published if s.generated_at < second]:
        recorded = archive.kept.get(before[-1].name)
        try:
            rows = recorded.rows if recorded else len(archive.load(before[-1]).entries)
        except InputError:
            rows = 0
        if record.rows < (1 - max_loss) * rows:
            flags["shrunk"] = f"{record.rows} rows, {rows} in the list before"
    write_bytes(target, gzip.compress(whitelist.content(), mtime=0))
    return replace(record, outcome="kept", flags=tuple(flags), message="; ".join([*notes, *flags.values()]))


def _quarantine(folder: Path, content: bytes, record: LogLine, time: datetime | None, reason: str) -> LogLine:
    name = f"{stamp_of(time) if time else 'undated'}-{record.sha256[:8]}.gz"
    # The very bytes received, under one more layer: what is in them is not known.
    write_bytes(folder / QUARANTINE / name, gzip.compress(content, mtime=0))
    write_bytes(folder / QUARANTINE / f"{name}.reason.txt", f"{reason}\n".encode("utf-8", "backslashreplace"))
    record = replace(record, outcome="quarantined", file=name, message=reason)
    return append(folder, replace(record, made=time.isoformat() if time else ""))


def import_lists(
    archive: Archive, files: Sequence[Path], *, max_loss: float = MAX_LOSS, now: datetime | None = None
) -> Iterator[LogLine]:
    """Keep lists collected elsewhere, in whatever order; yield what became of each."""
    with locked(archive.folder):
        for file in files:
            at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
            record = LogLine(at, "import", "failed", source=file.name)
            try:
                content = read_bytes(file, MAX_BYTES)
            except InputError as error:
                yield append(archive.folder, replace(record, message=error.message))
                continue
            yield keep(replace(archive), content, record, max_loss, now)
        history.bring_up_to_date(replace(archive))
