"""Keeping lists: the good ones in the archive, others in its quarantine, each with its record in the log."""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mssante_audit.archive.history import bring_up_to_date, check_of
from mssante_audit.archive.store import QUARANTINE, TIME, Archive, Record, append, read_log
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.instants import SKEW
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.staging import exclusive
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import MAX_BYTES, WhiteList, is_html, load_whitelist, refusal, sha256_of

MAX_LOSS = 0.1  # share of its rows that a list may lose against the one before without being flagged


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an archive's lock, made if there is none; what killed runs left is removed."""
    with exclusive(folder, "another run is writing to this archive"):
        read_log(folder)
        check_of(folder)
        (folder / QUARANTINE).mkdir(exist_ok=True)
        for draft in (*folder.glob(".*.tmp"), *folder.glob(f"{QUARANTINE}/.*.tmp")):
            draft.unlink(missing_ok=True)
        yield


def keep(
    archive: Archive, content: bytes, record: Record, max_loss: float = MAX_LOSS, now: datetime | None = None
) -> Record:
    """Keep a list (XML or gzip), or put it in quarantine; write the record, and return it with the outcome.

    The archive's lock must be held, and the archive opened since. `record` has what is known so far.
    """
    try:
        whitelist = archive.read(content)
        verdict, signer = whitelist.signature, parse_dn(whitelist.signature.signer).get("CN")
        record = replace(record, doubt=refusal(whitelist))
        if whitelist.generated_at is None:
            reason = "its generation time cannot be read"
        elif verdict.status == "valid":
            record, now = replace(record, signer=signer, doubt=""), now or datetime.now(UTC)
            record = _store(archive, whitelist, whitelist.generated_at, record, max_loss, now)
            return append(archive.folder, record)
        else:
            reason = f"its signature is {verdict.status}: {verdict.why}"
            if verdict.reason == "signer":
                record = replace(record, signer=signer, flags=("changed-signer",))
    except InputError as error:
        reason = str(error)
    return append(archive.folder, _quarantine(archive.folder, content, record, reason))


def _store(
    archive: Archive, whitelist: WhiteList, made: datetime, record: Record, max_loss: float, now: datetime
) -> Record:
    count, name = len(whitelist.entries), f"{made.strftime(TIME)}-{whitelist.sha256[:8]}.xml.gz"
    record = replace(record, file=name, sha256=whitelist.sha256, rows=count)
    target, notes = archive.folder / name, list[str]()
    if target.exists():
        if sha256_of(target) == whitelist.sha256:
            return replace(record, outcome="same")
        notes.append("the kept file held other bytes, and was replaced")
    flags: dict[str, str] = {}
    if made > now + SKEW:
        flags["future"] = f"generated {made:%Y-%m-%d %H:%M} UTC, after our clock ({now:%Y-%m-%d %H:%M})"
    others = [s for s in archive.snapshots if s.name != name]
    second = made.replace(microsecond=0)
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
        if count < (1 - max_loss) * rows:
            flags["shrunk"] = f"{count} rows, {rows} in the list before"
    write_bytes(target, gzip.compress(whitelist.content(), mtime=0))
    return replace(record, outcome="kept", flags=tuple(flags), message="; ".join([*notes, *flags.values()]))


def _quarantine(folder: Path, content: bytes, record: Record, reason: str) -> Record:
    doubt, made = "html" if is_html(content) else "damaged", None
    try:
        whitelist = load_whitelist(content, recover=True, any_namespace=True)
        doubt, made = record.doubt or refusal(whitelist), whitelist.generated_at
        sha256, rows = whitelist.sha256, len(whitelist.entries)
    except InputError:
        sha256, rows = digest(content), 0
    name = f"{made.strftime(TIME) if made else 'undated'}-{sha256[:8]}.gz"
    # The very bytes received, under one more layer: what is in them is not known.
    write_bytes(folder / QUARANTINE / name, gzip.compress(content, mtime=0))
    write_bytes(folder / QUARANTINE / f"{name}.reason.txt", f"{reason}\n".encode("utf-8", "backslashreplace"))
    record = replace(record, sha256=sha256, made=made.isoformat() if made else "", rows=rows, doubt=doubt)
    return replace(record, outcome="quarantined", file=name, message=reason)


def import_lists(
    archive: Archive, files: Sequence[Path], *, max_loss: float = MAX_LOSS, now: datetime | None = None
) -> Iterator[Record]:
    """Keep lists collected elsewhere, in whatever order; yield what became of each."""
    with locked(archive.folder):
        for file in files:
            at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
            record = Record(at, "import", "failed", source=file.name)
            try:
                content = read_bytes(file, MAX_BYTES)
            except InputError as error:
                yield append(archive.folder, replace(record, message=error.message))
                continue
            yield keep(replace(archive), content, record, max_loss, now)
        bring_up_to_date(replace(archive))
