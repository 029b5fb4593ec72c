"""Observation files (JSON Lines in gzip members) of a data folder, and reading them out of any bytes."""

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.reading import open_regular, read_bytes
from mssante_audit.observe.lines import VERSION, ObservationError, parse_at

NAMES = ("dns", "tls")
"""What names of files begin with, before a dash and a date. A file with another name is a ``dns``."""
RUN = timedelta(days=1)
"""How long after an instant a run begun by then may still have asked: a night is as of its own beginning."""
MAX_LINE = 4 << 20
MAX_FILE = 1 << 30  # bytes of a file: some two hundred times that of a night
MAX_DAMAGES = 100
MAX_PROBLEMS = 100_000
PROBLEMS = {"line": "int64", "kind": "str", "message": "str"}
"""Columns of what is wrong with a file: ``kind`` is ``cut``, ``damaged`` or ``record``."""
_MAGIC = b"\x1f\x8b\x08"
_STAMPED = re.compile(r"([a-z]+)-(\d{4}-\d{2}-\d{2}T\d{6}Z)\.jsonl\.gz")
_BLOCK, _PIECE = 1 << 16, 1 << 20
_NEWEST = 400  # files that are opened to learn when they were begun; of older ones the observer's names tell


class File(NamedTuple):
    """An observation file, before it is read."""

    path: Path
    begun: datetime
    header: Mapping[str, Any]  # its first line; empty if that cannot be read


class Aside(NamedTuple):
    """An observation file that is not used."""

    file: str
    why: str
    """``future`` (begun after the instant that is audited at), ``zone`` (of another parent zone), or
    ``unreadable``."""


def default_path(folder: Path, at: datetime, kind: str = "dns") -> Path:
    """Return where an observation begun at `at` goes in a data folder."""
    return folder / "observations" / f"{kind}-{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.jsonl.gz"


def observation_files(folder: Path, kind: str = "dns") -> list[Path]:
    """Return the observations of a kind that the observer left in a data folder, oldest first."""
    return sorted((folder / "observations").glob(f"{kind}-*.jsonl.gz"))


def find_observations(data: Path, kind: str = "dns") -> list[File]:
    """Return the observations of a kind in a data folder or in ``observations/`` below, last begun first."""
    paths = [path for folder in (data, data / "observations") for path in folder.glob("*.jsonl.gz")]
    paths = [path for path in paths if not path.is_dir() and _kind(path.name) == kind]
    named = {path: begun for path in paths if (begun := stamp_of(path.name))}
    old = set(sorted(named, key=lambda path: path.name)[:-_NEWEST])
    files = [File(path, named[path], {}) if path in old else _file(path) for path in paths]
    files.sort(key=lambda file: (file.begun, file.path.name), reverse=True)
    # One that cannot be read is refused if its name says that it is the newest, and not passed over.
    last = max(files, key=lambda file: file.path.name, default=None)
    return files if last is None or last.header else [last, *(file for file in files if file is not last)]


def stamp_of(name: str) -> datetime | None:
    """Return when an observation was begun by the name that the observer gave it, if it did."""
    stamped = _STAMPED.fullmatch(name)
    with suppress(ValueError):
        return datetime.strptime(stamped[2] if stamped else "", "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    return None


def pattern_of(header: Mapping[str, Any]) -> str:
    """Return the pattern of the domains that a run asked about, "" for all of the list."""
    settings = header.get("settings")
    only = settings.get("only") if isinstance(settings, dict) else ""
    return only if isinstance(only, str) else ""


def is_whole(file: Path) -> bool:
    """Tell whether the last run of a file was to answer for the whole list, and came to its end."""
    pattern, whole = "", False
    with suppress(OSError):
        for _, content in Scan(file.read_bytes()).lines():
            if "format" in content:
                pattern, whole = pattern_of(content), False
            elif "end" in content:
                whole = content.get("complete") is True and not pattern
    return whole


def is_of(file: Path, kind: str) -> bool:
    """Tell whether a file says of itself that it is an observation of a kind (``dns``, ``tls``)."""
    return _file(file).header.get("format") == f"mssante-audit {kind} observation"


def _kind(name: str) -> str:
    stamped = _STAMPED.fullmatch(name)
    prefix = stamped[1] if stamped else name.partition("-")[0]
    return prefix if stamped or prefix in NAMES else NAMES[0]


def _file(path: Path) -> File:
    """Read the first line of a file; one without counts from the date in its name, and is refused later."""
    with suppress(InputError, OSError, zlib.error, ValueError, KeyError, TypeError, OverflowError):
        with open_regular(path) as file:
            head = zlib.decompressobj(31).decompress(file.read(_BLOCK), _BLOCK)
        header = dict(json.loads(head.partition(b"\n")[0]))
        return File(path, datetime.fromisoformat(header["at"]).astimezone(UTC), header)
    return File(path, stamp_of(path.name) or datetime.min.replace(tzinfo=UTC), {})


@dataclass
class Scan:
    """Goes through a file line by line; what is wrong with the file is collected in `problems`."""

    data: bytes
    file: str = ""
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    good: int = 0  # where the last whole gzip member ends
    _line: int = 0

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the content of every line that is a JSON object."""
        rest = b""
        for piece in self._pieces():
            if piece is None:
                if rest:
                    self.problem("cut", "a line is cut")
                rest = b""
                continue
            *whole, rest = (rest + piece).split(b"\n")
            for raw in whole:
                self._line += 1
                with suppress(ValueError, RecursionError):
                    content = json.loads(raw.decode())
                    if b"\\u" in raw:
                        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is not text
                    if isinstance(content, dict):
                        yield self._line, content
                        continue
                self.problem("record", "not a JSON object")
            if len(rest) > MAX_LINE:
                self.problem("record", "a line is too long")
                rest = b""
        if rest:
            self._line += 1
            self.problem("cut", "the last line is cut")

    def _pieces(self) -> Iterator[bytes | None]:
        """Yield decompressed bytes, and ``None`` where some are missing."""
        view, position, damages = memoryview(self.data), 0, 0
        while 0 <= position < len(view) and damages < MAX_DAMAGES:
            start, decoder = position, zlib.decompressobj(31)
            try:
                while not decoder.eof and position < len(view):
                    block = view[position : position + _BLOCK]
                    position += len(block)
                    piece = decoder.decompress(block, _PIECE)
                    while piece:
                        yield piece
                        piece = decoder.decompress(decoder.unconsumed_tail, _PIECE)
            except zlib.error as error:
                damages += 1
                self.problem("damaged", f"damaged after byte {start} ({error})")
                yield None
                position = self.data.find(_MAGIC, start + 1)
                continue
            if not decoder.eof:
                self.problem("cut", "the file ends in the middle: still growing, or its writer was stopped")
                return
            position -= len(decoder.unused_data)
            self.good = position
        if damages >= MAX_DAMAGES:
            self.problem("damaged", "too damaged to go on")

    def problem(self, kind: str, message: str) -> None:
        """Take note of a problem of the line read; `ObservationError` at more than `MAX_PROBLEMS`."""
        if len(self.problems) >= MAX_PROBLEMS:
            why = f"more than {MAX_PROBLEMS} lines that cannot be read: no observation"
            raise ObservationError(why, file=self.file)
        self.problems.append((self._line, kind, message))


class Form(NamedTuple):
    """What the files of a kind of observation are."""

    kind: str
    version: int
    texts: tuple[str, ...]  # fields of a header line that are texts

    @property
    def format(self) -> str:
        """What a header line calls it."""
        return f"mssante-audit {self.kind} observation"

    def header(self, content: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return a header line; `ObservationError` if this program cannot read what follows it."""
        given = content.get("version")
        if content.get("format") != self.format or type(given) is not int:
            raise ObservationError(f"not a {self.kind.upper()} observation", file=str(path))
        if given != self.version:
            age, remedy = ("a newer", "Update mssante-audit")
            if given < self.version:
                age, remedy = ("an older", "Observe again")
            why = f"written by {age} version (format {given}, this one reads {self.version})"
            raise ObservationError(why, file=str(path), remedy=remedy)
        with suppress(ValueError):
            parse_at(content.get("at"))
            if all(isinstance(content.get(name), str) for name in self.texts):
                return content
        raise ObservationError("its header is damaged", file=str(path))


DNS = Form("dns", VERSION, ("parent_zone", "sibling"))


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """What any observation file says of itself, once it is read."""

    problems: pd.DataFrame  # what could not be read, with the columns `PROBLEMS`
    source: str
    sha256: str
    started_at: datetime
    complete: bool  # whether the last run came to its end


def read_file(
    path: Path, form: Form, take: Callable[[int, dict[str, Any]], None]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read an observation file as far as it can be read; return its headers, and the fields of `FileRead`.

    `take` is called with the number and the content of each line but headers; its `ValueError` says what is
    wrong. `ObservationError` if the file cannot be opened, is no such observation, or of another version.
    """
    try:
        data = read_bytes(path, MAX_FILE)
    except InputError as error:
        raise ObservationError(error.message, file=str(path)) from None
    scan, complete = Scan(data, str(path)), False
    headers: list[dict[str, Any]] = []
    for line, content in scan.lines():
        if not headers or "format" in content:
            headers.append(form.header(content, path))
            complete = False
            continue
        if "end" in content:
            complete = content.get("complete") is True
        try:
            take(line, content)
        except ValueError as error:
            scan.problem("record", str(error))
    if not headers:
        remedy = f"`mssante-audit observe {form.kind}` makes one"
        raise ObservationError(f"not a {form.kind.upper()} observation", file=str(path), remedy=remedy)
    started_at = datetime.fromisoformat(headers[0]["at"]).astimezone(UTC)
    return headers, {
        "problems": frame_of(scan.problems, PROBLEMS), "source": path.name, "sha256": digest(data),
        "started_at": started_at, "complete": complete,
    }  # fmt: skip


def comparison(before: Any, after: Any, lines: Iterable[str], *, same: bool) -> Iterator[str]:
    """Yield in English which two files were compared, and what was found."""
    for word, part in (("from", before), ("to  ", after)):
        yield f"{word} {part.source} ({part.started_at:%Y-%m-%d %H:%M} UTC)"
    yield from lines
    if same:
        yield "nothing changed"
