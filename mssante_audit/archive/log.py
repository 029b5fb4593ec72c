"""The log of an archive: one JSON record for every fetch and import, on a line of its own."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import append_line, sync_folder
from mssante_audit.base.reading import read_bytes

LOG = "log.jsonl"
VERSION = 1
MAX_LOG = 1 << 27
"""Bytes of a log: some thousand years of nights."""

GOOD = ("kept", "same", "unchanged")
"""Outcomes after which the archive holds what the server publishes."""


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
    made: str = ""
    """When a list in quarantine says that it was generated (UTC, ISO 8601)."""
    rows: int = 0
    signer: str = ""
    """Common name of whoever signed it, if it was found valid, or flagged for its signer."""
    flags: tuple[str, ...] = ()
    """``older`` than the last list; ``shrunk``: lost more rows than allowed; ``future``; ``same-second``;
    ``changed-signer``: of another signer than expected."""
    doubt: str = ""
    """Why it was quarantined: ``html``, or a code of `mssante_audit.whitelist.load.refusal`; or why no
    list could be had (`mssante_audit.base.errors.FetchError`)."""
    message: str = ""
    """Why it was quarantined, flagged, or failed."""
    source: str = ""
    """URL without credentials, or name of the file."""
    etag: str = ""
    last_modified: str = ""

    @property
    def line(self) -> str:
        """What was done, in a line."""
        flags = f" [{', '.join(self.flags)}]" if self.flags else ""
        return f"{self.outcome}{flags} {self.file}: {self.message}".rstrip(": ")


def read_log(folder: Path) -> list[Record]:
    """Return the records of an archive's log; a line that a kill or a full disk cut off is passed over.

    One that cannot be read, or that another version wrote in, is an `InputError`.
    """
    path = folder / LOG
    if not os.path.lexists(path):
        return []
    names = [field.name for field in fields(Record)]
    found = []
    for number, line in enumerate(read_bytes(path, MAX_LOG).splitlines(), 1):
        with suppress(json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError, RecursionError):
            content = json.loads(line)
            if content.get("version", VERSION) != VERSION:
                why = f"written by another version (format {content['version']!r}, this one reads {VERSION})"
                raise InputError(why, file=str(path), line=number, remedy="Update mssante-audit")
            content = {name: content[name] for name in names if name in content}
            found.append(Record(**content | {"flags": tuple(content.get("flags", ()))}))
    return found


def append(folder: Path, record: Record) -> Record:
    """Write a record at the end of the log (`append_line`, with its errors), after what it is of."""
    sync_folder(folder)
    append_line(folder / LOG, json.dumps({"version": VERSION} | asdict(record), ensure_ascii=True))
    return record
