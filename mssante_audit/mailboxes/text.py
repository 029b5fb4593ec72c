"""The bytes of an extraction: a text file, or the one that a ZIP archive holds, bounded and as a stream."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular, unreadable

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


def refused(why: str, name: str) -> InputError:
    """Return the error for what is not as ANS publishes it."""
    return InputError(why, file=name, remedy="Take it as ANS publishes it")


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
