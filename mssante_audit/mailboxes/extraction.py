"""The public extractions in a data folder: which there are, what the newest says, whether to rely on it.

ANS publishes the mailboxes of the trust space every day. One on the red list is simply not there: **few or
none is no proof of an unused domain**. Numbers are unknown, and never 0, where there is no extraction, where
it is damaged, or where it was made too long before or after the list.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular, unreadable
from mssante_audit.mailboxes.counts import Counts, count_mailboxes, refused

URL = (
    "https://service.annuaire.sante.fr/annuaire-sante-webservices/V300/services/extraction/"
    "Extraction_Correspondance_MSSante"
)
"""Where ANS publishes it; its server's certificate is IGC-Santé's."""

NAME = "extraction_correspondance_mssante"
"""How the names of extractions begin, in whatever case."""

MAX_DAYS = 31
"""An extraction made so long before or after a list says nothing sure of its domains: in 75 days one in ten
left and one in twenty-five came (data). No source: this audit's convention."""

AHEAD = timedelta(days=1)
"""By how much an extraction may be younger than the day it is looked at: its name tells no time zone."""

MAX_BYTES = 2 * 2**30
"""Largest text accepted, uncompressed: some 24 times that of 2026, twelve million rows of its width. Bounds
what a ZIP bomb can cost."""

PUBLISHED = re.compile(r"Extraction_Correspondance_MSSante_(\d{12})\.(?:txt|zip)", re.I | re.A)
"""How ANS names an extraction, by the minute."""

_PIECE = 2**16
"""What is read at once: where an archive's check fails, so much is lost."""
_ZIP = b"PK\x03\x04"
_UNDATED = re.compile(r"Extraction_Correspondance_MSSante\b.*\.zip", re.I)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError)
_ONCE = "Unpack it, and leave the .txt here"


@dataclass(frozen=True, eq=False)
class Extraction:
    """An extraction. It is read when its numbers are first asked for."""

    source: str
    """Name of the file."""
    made_at: datetime
    """When it was made, as its name tells (UTC)."""
    file: Path | None = None
    """``None`` for one of a snapshot or sent to another process, which has its numbers."""
    known: Counts | None = None
    """Its numbers, where they were read before."""
    earlier: Extraction | None = None
    """The one before it in the folder."""

    @cached_property
    def counts(self) -> Counts:
        """What it says in numbers; an `InputError` if it is no extraction, or cannot be read."""
        if self.known is not None:
            return self.known
        if self.file is None:
            raise InputError("is not kept in a snapshot", file=self.source)
        return count_mailboxes(pieces(self.file), self.source)

    @cached_property
    def by_domain(self) -> dict[str, int]:
        """Mailboxes by domain, letter for letter."""
        return dict(self.counts.frame.groupby("domain")["mailboxes"].sum().items())  # type: ignore[arg-type]

    def in_numbers(self) -> Extraction:
        """Return it without its file, which names persons: to be sent to another process."""
        return replace(self, file=None, known=self.counts, earlier=self.earlier and self.earlier.in_numbers())

    def fault(self, of: datetime) -> str:
        """Return why numbers are unknown for a list of that time: ``damaged``, ``old``, "" if known."""
        if abs(of - self.made_at) > timedelta(days=MAX_DAYS):
            return "old"
        return "damaged" if self.counts.damage else ""


def is_extraction(file: Path) -> bool:
    """Tell whether a file is named as extractions are; the mirror at data.gouv.fr writes hyphens."""
    return file.name.lower().replace("-", "_").startswith(NAME)


def find_extractions(data: Path, as_of: datetime) -> Extraction | None:
    """Return the newest extraction of a data folder as of a date, with the one before it.

    Younger ones are left out; a data file has none beside it. If neither the name of one nor the text in it
    tells when it was made it is an `InputError`.
    """
    if not data.is_dir():
        return None
    found: dict[datetime, Path] = {}
    for file in sorted(data.iterdir()):
        if is_extraction(file) and file.suffix.lower() in (".txt", ".zip") and not file.is_dir():
            made = dated(file)
            if made is None:
                remedy = "Name it as ANS does: Extraction_Correspondance_MSSante_AAAAMMJJhhmm.txt or .zip"
                raise InputError("its name does not tell when it was made", file=str(file), remedy=remedy)
            found.setdefault(made, file)  # .txt before .zip: the same, and quicker to read
    last = None
    for made in sorted(made for made in found if made <= as_of + AHEAD)[-2:]:
        last = Extraction(found[made].name, made, found[made], earlier=last)
    return last


def made_at(name: str) -> datetime | None:
    """Return when an extraction of that name was made, ``None`` if it is the name of none.

    The name writes the manager's clock; it is taken for UTC, which no use here is sharp enough to notice.

    >>> made_at("extraction_correspondance_mssante_202608261013.TXT").isoformat()
    '2026-08-26T10:13:00+00:00'
    """
    found = PUBLISHED.fullmatch(name)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def dated(file: Path) -> datetime | None:
    """Return when the extraction in a file was made: by its name, else by that of the text in the archive."""
    if (made := made_at(file.name)) or not _UNDATED.fullmatch(file.name):
        return made
    try:
        with open_regular(file) as raw, zipfile.ZipFile(raw) as archive:
            return next(filter(None, map(made_at, map(_base, archive.namelist()))), None)
    except (InputError, OSError, *_BROKEN):
        return None


def pieces(file: Path) -> Iterator[bytes]:
    """Yield the uncompressed text; `EOFError` where a ZIP archive breaks off or is found to be damaged.

    A file that cannot be opened or holds no extraction, or one too large, encrypted or packed twice, is an
    `InputError`.
    """
    total = 0
    with open_regular(file) as raw:
        packed = raw.read(4) == _ZIP or file.suffix.lower() == ".zip"
        raw.seek(0)
        try:
            for piece in _unpacked(raw, file.name) if packed else iter(lambda: raw.read(_PIECE), b""):
                if not total and piece.startswith(_ZIP):
                    raise InputError("is packed twice", file=file.name, remedy=_ONCE)
                total += len(piece)
                if total > MAX_BYTES:
                    raise _too_large(file.name)
                yield piece
        except OSError as error:
            raise unreadable(file.name, error.strerror or str(error)) from error


def _too_large(name: str) -> InputError:
    why = f"holds more than {MAX_BYTES // 2**20} MiB of text, which no extraction does"
    return InputError(why, file=name)


def _unpacked(raw: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        archive = zipfile.ZipFile(raw)
    except _BROKEN:
        raw.seek(0)
        if raw.read(4) != _ZIP:
            raise refused("is no ZIP archive", name) from None
        raise EOFError("the ZIP archive breaks off") from None  # its table of contents stands at its end
    try:
        with archive, archive.open(_inside(archive, name)) as text:
            while piece := text.read(_PIECE):
                yield piece
    except _BROKEN:
        raise EOFError("the ZIP archive is damaged") from None
    except (NotImplementedError, RuntimeError):
        raise InputError("is packed in a way that is not read here", file=name, remedy=_ONCE) from None


def _inside(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the one file of an archive that is an extraction."""
    found = [info for info in archive.infolist() if made_at(_base(info.filename))]
    if any(info.filename.lower().endswith(".zip") for info in found or archive.infolist()):
        raise InputError("is packed twice", file=name, remedy=_ONCE)
    if len(found) != 1:
        raise refused("is no archive of one Extraction_Correspondance_MSSante_….txt", name)
    if found[0].flag_bits & 1:
        raise refused("is encrypted", name)
    if found[0].file_size > MAX_BYTES:
        raise _too_large(name)
    return found[0]


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
