"""The public extractions in a data folder: which there are, what the newest says, whether to rely on it.

A mailbox on the red list is not in it: **few or none is no proof of an unused domain**. Numbers are unknown,
and never 0, where there is no extraction, it is damaged, or was made too long before or after the list.

Rows are counted by domain, kind and structure; all else is personal, and not kept. An address that comes
again is counted once, by a hash that is thrown away with the reading.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import columns_of, described
from mssante_audit.base.reading import open_regular, unreadable

# Where ANS publishes it; its server's certificate is IGC-Santé's.
URL = (
    "https://service.annuaire.sante.fr/annuaire-sante-webservices/V300/services/extraction/"
    "Extraction_Correspondance_MSSante"
)
# An extraction made so long before or after a list says nothing sure of its domains: in 75 days one in ten
# left and one in twenty-five came (data). No source: this audit's convention.
MAX_DAYS = 31
# By how much an extraction may be younger than the day it is looked at: its name tells no time zone.
AHEAD = timedelta(days=1)
# Largest text accepted, uncompressed: some 24 times that of 2026. Bounds what a ZIP bomb can cost.
MAX_BYTES = 2 * 2**30
# How ANS names an extraction, by the minute.
PUBLISHED = re.compile(r"Extraction_Correspondance_MSSante_(\d{12})\.(?:txt|zip)", re.I | re.A)

_PIECE = 2**16  # where an archive's check fails, so much is lost
_ZIP = b"PK\x03\x04"
_UNDATED = re.compile(r"Extraction_Correspondance_MSSante\b.*\.zip", re.I)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError)
_ONCE = "Unpack it, and leave the .txt here"

# Headings of what is read; found by name, in whatever order.
COLUMNS = ("Type de BAL", "Adresse BAL", "Type identifiant structure", "Identification Structure")
# Of mailboxes: a person's, an organisation's, whatever else the manager may come to publish.
KINDS = ("PER", "ORG", "other")
FRAME = columns_of("mssante_audit.mailboxes", "counts", kind=KINDS)
__doc__ = described(__doc__, "Columns of `Counts.frame`", FRAME)
# Most combinations of domain, kind and structure: some ten times those of 2026. Bounds the memory.
MAX_GROUPS = 1_000_000
MAX_LINE, _BLOCK = 2**16, 2**21  # longest row, and what is read at once, in bytes
# Kinds of structure that are counted apart, as the column may write them → first character in a certificate,
# and the identifier, with it or without. The others are practices, whose numbers are persons'.
_STRUCTURES = {
    name: (digit, re.compile(f"(?:{digit})?([0-9AB]{{{length}}})"))
    for digit, kind, length in (("1", "FINESS", 9), ("2", "SIREN", 9), ("3", "SIRET", 14))
    for name in (digit, kind)
}
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", re.A)
_TEXTS = ["domain", "kind", "structure"]


@dataclass(frozen=True, eq=False)
class Counts:
    """What an extraction says, in numbers."""

    frame: pd.DataFrame  # as this module's docstring says, sorted by the first three columns
    repeated: int  # rows whose address a row before has; not counted
    unread: int  # rows without an address, or with another number of columns; not counted
    # What is broken, "" if nothing is: then numbers are those of the readable rows, at least so many.
    damage: str


@dataclass(frozen=True, eq=False)
class Extraction:
    """An extraction. It is read when its numbers are first asked for."""

    source: str  # name of the file
    made_at: datetime  # when it was made, as its name tells (UTC)
    # ``None`` for one of a snapshot or sent to another process, which has its numbers.
    file: Path | None = None
    known: Counts | None = None  # its numbers, where they were read before
    earlier: Extraction | None = None  # the one before it in the folder

    @cached_property
    def counts(self) -> Counts:
        """What it says in numbers; an `InputError` if it is no extraction, or cannot be read."""
        return self.known or count_mailboxes(pieces(cast(Path, self.file)), self.source)

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
    return file.name.lower().replace("-", "_").startswith("extraction_correspondance_mssante")


def find_extractions(data: Path, as_of: datetime) -> Extraction | None:
    """Return the newest extraction of a data folder as of a date, with the one before it.

    One that neither by its name nor by that of the text in it tells when it was made is an `InputError`.
    """
    if not data.is_dir():
        return None
    files: dict[datetime, Path] = {}
    for file in sorted(data.iterdir()):
        if is_extraction(file) and file.suffix.lower() in (".txt", ".zip") and not file.is_dir():
            instant = dated(file)
            if instant is None:
                remedy = "Name it as ANS does: Extraction_Correspondance_MSSante_AAAAMMJJhhmm.txt or .zip"
                raise InputError("its name does not tell when it was made", file=str(file), remedy=remedy)
            files.setdefault(instant, file)  # .txt before .zip: the same, and quicker to read
    last = None
    for instant in sorted(instant for instant in files if instant <= as_of + AHEAD)[-2:]:
        last = Extraction(files[instant].name, instant, files[instant], earlier=last)
    return last


def made_at(name: str) -> datetime | None:
    """Return when an extraction of that name was made, by the manager's clock, taken for UTC."""
    match = PUBLISHED.fullmatch(name)
    try:
        return datetime.strptime(match[1], "%Y%m%d%H%M").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def dated(file: Path) -> datetime | None:
    """Return when the extraction in a file was made: by its name, else by that of the text in the archive."""
    if (instant := made_at(file.name)) or not _UNDATED.fullmatch(file.name):
        return instant
    try:
        with open_regular(file) as raw, zipfile.ZipFile(raw) as archive:
            return next(filter(None, map(made_at, map(_base, archive.namelist()))), None)
    except (InputError, OSError, *_BROKEN):
        return None


def pieces(file: Path) -> Iterator[bytes]:
    """Yield the uncompressed text; `EOFError` where a ZIP archive breaks off or is found to be damaged."""
    name, total = file.name, 0
    with open_regular(file) as raw:
        packed = raw.read(4) == _ZIP or file.suffix.lower() == ".zip"
        raw.seek(0)
        try:
            text = _unpacked(raw, name) if packed else raw
            while piece := text.read(_PIECE):
                if not total and piece.startswith(_ZIP):
                    raise InputError("is packed twice", file=name, remedy=_ONCE)
                total += len(piece)
                if total > MAX_BYTES:
                    raise _too_large(name)
                yield piece
        except (zipfile.BadZipFile, zlib.error):
            raise EOFError from None
        except (NotImplementedError, RuntimeError):
            raise InputError("is packed in a way that is not read here", file=name, remedy=_ONCE) from None
        except OSError as error:
            raise unreadable(name, error.strerror or str(error)) from error


def _too_large(name: str) -> InputError:
    message = f"holds more than {MAX_BYTES // 2**20} MiB of text, which no extraction does"
    return InputError(message, file=name)


def _unpacked(raw: BinaryIO, name: str) -> IO[bytes]:
    """Open the one file of an archive that is an extraction."""
    try:
        archive = zipfile.ZipFile(raw)
    except _BROKEN:
        raw.seek(0)
        if raw.read(4) != _ZIP:
            raise refused(name, "is no ZIP archive") from None
        raise EOFError("the ZIP archive breaks off") from None  # its table of contents stands at its end
    extractions = [info for info in archive.infolist() if made_at(_base(info.filename))]
    if any(info.filename.lower().endswith(".zip") for info in extractions or archive.infolist()):
        raise InputError("is packed twice", file=name, remedy=_ONCE)
    if len(extractions) != 1:
        raise refused(name, "is no archive of one Extraction_Correspondance_MSSante_….txt")
    if extractions[0].flag_bits & 1:
        raise refused(name, "is encrypted")
    if extractions[0].file_size > MAX_BYTES:
        raise _too_large(name)
    return archive.open(extractions[0])


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def count_mailboxes(pieces: Iterable[bytes], source: str) -> Counts:
    """Count the mailboxes of an extraction; memory used is twelve bytes a row, and `MAX_GROUPS`.

    An `EOFError` from the pieces ends the text as damaged; what is no extraction is an `InputError`.
    """
    groups: dict[str, int] = {}
    hashes, members = [np.empty(0, "int64")], [np.empty(0, "int32")]
    names: list[str] = []
    unread, damage, last = 0, "", b""
    blocks = _blocks(pieces, source)
    try:
        for block in blocks:
            try:
                block.decode()
            except UnicodeDecodeError:
                deque(blocks, maxlen=0)  # in a broken archive it is what is left of the text
                line = 1 + unread + sum(map(len, hashes))
                raise refused(source, "is not UTF-8 (from about line {})", line) from None
            if not names:
                head, _, block = block.lstrip(b"\r\n").partition(b"\n")
                names = [name.strip() for name in head.decode("utf-8-sig").split("|")]
                if wrong := next((name for name in COLUMNS if names.count(name) != 1), ""):
                    problem = "two columns" if wrong in names else "no column"
                    raise refused(source, f"its first line names {problem} {{}}", repr(wrong))
            columns, odd = _columns(block, names)
            unread, last = unread + odd, block[block.rfind(b"\n") + 1 :]
            hashes.append(np.fromiter(map(hash, columns[1].to_pylist()), "int64", len(columns[1])))
            members.append(_members(columns, groups))
            if len(groups) > MAX_GROUPS:
                message = f"names more than {MAX_GROUPS:,} domains and structures, which no extraction does"
                raise InputError(message, file=source)
    except EOFError as error:
        damage = str(error) or "the ZIP archive is damaged"
    if not names and not damage:
        raise refused(source, "is empty")
    if last.strip() and last.count(b"|") != len(names) - 1:
        damage, unread = damage or "the last row breaks off", unread - 1
    first = ~pd.Series(np.concatenate(hashes)).duplicated().to_numpy()
    numbers = np.bincount(np.concatenate(members)[first], minlength=len(groups))
    rows = [_group(*key.split("|", 3)) for key in groups]
    frame = pd.DataFrame(rows, columns=_TEXTS, dtype="str").assign(mailboxes=numbers.astype("int64"))
    frame = frame.groupby(_TEXTS)["mailboxes"].sum().reset_index()
    nameless = frame["domain"] == ""
    unread += int(frame.loc[nameless, "mailboxes"].sum())
    frame = frame[~nameless].reset_index(drop=True)
    if frame.empty:  # that no domain has a mailbox is not known of it
        damage = damage or "no row names a mailbox"
    return Counts(frame, len(first) - int(first.sum()), unread, damage)


def refused(name: str, why: str, *values: object) -> InputError:
    """Return the error for what is not as ANS publishes it."""
    return InputError(why, *values, file=name, remedy="Take it as ANS publishes it")


def _blocks(pieces: Iterable[bytes], source: str) -> Iterator[bytes]:
    """Yield the text in blocks of whole lines; an `EOFError` from the pieces is raised after the last."""
    buffer, damage = bytearray(), None
    try:
        for piece in pieces:
            buffer += piece
            end = buffer.rfind(b"\n") + 1
            if len(buffer) - end > MAX_LINE:
                raise InputError("has a row without an end: it is no extraction", file=source)
            if end and len(buffer) >= _BLOCK:
                yield bytes(buffer[:end])
                del buffer[:end]
    except EOFError as error:
        damage = error
    if buffer.strip():
        yield bytes(buffer)
    if damage:
        raise damage


def _columns(block: bytes, headings: Sequence[str]) -> tuple[list[Any], int]:
    """Return the four columns of a block, and how many of its rows have another number of columns."""
    odd = 0

    def skip(row: Any) -> str:
        nonlocal odd
        odd += bool(row.text.strip())
        return "skip"

    names, chosen = [str(n) for n in range(len(headings))], [str(headings.index(n)) for n in COLUMNS]
    types, size = dict.fromkeys(chosen, pa.string()), len(block) + 1
    table = csv.read_csv(
        pa.BufferReader(block or b"\n"),
        csv.ReadOptions(column_names=names, use_threads=False, block_size=size),
        csv.ParseOptions(delimiter="|", quote_char=False, invalid_row_handler=skip),
        csv.ConvertOptions(include_columns=chosen, column_types=types, check_utf8=False),
    )
    return [table[name].combine_chunks() for name in chosen], odd


def _members(columns: Sequence[Any], groups: dict[str, int]) -> Any:
    """Return the group of each row, of `groups`, to which new ones are added."""
    kind, address, named, structure = columns
    counted = pc.is_in(named, pa.array(_STRUCTURES))
    named, structure = (pc.if_else(counted, column, "") for column in (named, structure))
    domain = pc.replace_substring_regex(address, "^[^@]*@?", "")
    keys = pc.binary_join_element_wise(kind, named, structure, domain, "|").dictionary_encode()
    codes = [groups.setdefault(key, len(groups)) for key in keys.dictionary.to_pylist()]
    return np.array(codes, "int32")[keys.indices.to_numpy()]


def _group(kind: str, named: str, number: str, domain: str) -> tuple[str, str, str]:
    """Return domain, kind and structure as the frame has them; no domain where DNS could hold none."""
    kind, domain = kind.strip(), domain.strip()
    digit, form = _STRUCTURES.get(named, ("", None))
    structure = form and form.fullmatch(number.strip())
    domain, kind = domain if _DOMAIN.fullmatch(domain) else "", kind if kind in KINDS[:2] else KINDS[2]
    return domain, kind, digit + structure[1] if structure else ""
