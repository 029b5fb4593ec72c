"""The log of an archive: one JSON record for every fetch and import, on a line of its own."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import append_line
from mssante_audit.base.secret import masked_url

LOG = "log.jsonl"

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
    rows: int = 0
    signer: str = ""
    """Common name of whoever signed it, if it was found valid, or flagged for its signer."""
    flags: tuple[str, ...] = ()
    """``older`` than the last list; ``shrunk``: lost more rows than allowed; ``future``; ``same-second``;
    ``changed-signer``: of another signer than expected."""
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
    """Return the records of an archive's log; a line that a kill or a full disk cut off is passed over."""
    try:
        lines = (folder / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=str(folder / LOG)) from error
    found = []
    for line in lines:
        with suppress(ValueError, TypeError, AttributeError):
            fields: dict[str, Any] = json.loads(line)
            record = Record(**{name: fields[name] for name in Record.__dataclass_fields__ if name in fields})
            # Version 0.1 wrote credentials of an address into its logs.
            found.append(replace(record, flags=tuple(record.flags), source=masked_url(record.source)))
    return found


def append(folder: Path, record: Record) -> Record:
    """Write a record at the end of the log (`append_line`, with its errors)."""
    append_line(folder / LOG, json.dumps(asdict(record), ensure_ascii=True))
    return record
