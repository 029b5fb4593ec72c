"""Observation files, JSON Lines in gzip members: found, read out of any bytes, appended to as they grow."""

import errno
import fcntl
import gzip
import json
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic_core import from_json

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError, OutputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import stamp_of, stamped
from mssante_audit.base.reading import open_regular, read_bytes
from mssante_audit.observe.lines import ObservationError, instant, parse_at

MAX_LINE = 4 << 20
MAX_FILE = 1 << 30  # bytes of a file: some two hundred times that of a night
MAX_DAMAGES = 100
MAX_PROBLEMS = 100_000
# Columns of what is wrong with a file: `kind` is `cut`, `damaged` or `record`.
PROBLEMS = {"line": "int64", "kind": "str", "message": "str"}
ELSE_RESUME = "Name another file, or add --resume to go on with this one"

_TOOL = metadata.version("mssante-audit")  # read here: later there may be no descriptor to read it with
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Form(NamedTuple):
    """A kind of observation files; `texts` are the fields of a header line that must be texts."""

    kind: str
    version: int
    texts: tuple[str, ...]

    @property
    def format(self) -> str:
        """What a header line calls it."""
        return f"mssante-audit {self.kind} observation"

    def header(self, at: datetime, **facts: Any) -> dict[str, Any]:
        """Return the header line of a run begun at an instant (UTC)."""
        return {"format": self.format, "version": self.version, "at": instant(at), **facts}

    def check(self, header: dict[str, Any], path: Path) -> None:
        """Raise `ObservationError` if what follows a header line cannot be read; complete its settings."""
        version = header.get("version")
        if header.get("format") != self.format or type(version) is not int:
            raise ObservationError("not a {} observation", self.kind.upper(), file=str(path))
        if version != self.version:
            newer = version > self.version
            age, remedy = ("a newer", "Update mssante-audit") if newer else ("an older", "Observe again")
            message = f"written by {age} version (format {{}}, this one reads {{}})"
            raise ObservationError(message, version, self.version, file=str(path), remedy=remedy)
        settings = header["settings"] if isinstance(header.get("settings"), dict) else {}
        header["settings"] = settings if isinstance(settings.get("only"), str) else {**settings, "only": ""}
        with suppress(ValueError):
            parse_at(header.get("at"))
            if all(isinstance(header.get(name), str) for name in self.texts):
                return
        raise ObservationError("its header is damaged", file=str(path))


DNS = Form("dns", 2, ("parent_zone", "sibling"))
TLS = Form("tls", 2, ("dns",))


@dataclass
class Scan:
    """Goes through a file line by line; what is wrong with the file is collected in `problems`."""

    data: bytes
    file: str = ""
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    good: int = 0
    """Where the last whole gzip member ends."""
    _line: int = 0

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the content of every line that is a JSON object."""
        rest = b""
        for piece in self._pieces():
            if piece is None:
                if rest:
                    self._line += 1
                    self.problem("cut", "a line is cut")
                rest = b""
                continue
            *complete, rest = (rest + piece).split(b"\n")
            for raw in complete:
                self._line += 1
                content = None
                with suppress(ValueError):
                    content = from_json(raw)
                if isinstance(content, dict):
                    yield self._line, content
                else:
                    self.problem("record", "not a JSON object")
            if len(rest) > MAX_LINE:
                self.problem("record", "a line is too long")
                rest = b""

    def _pieces(self) -> Iterator[bytes | None]:
        """Yield decompressed bytes, and ``None`` where some are missing, and at the end."""
        view, position, damages = memoryview(self.data), 0, 0
        while 0 <= position < len(view) and damages < MAX_DAMAGES:
            start, decoder = position, zlib.decompressobj(31)
            try:
                while not decoder.eof and position < len(view):
                    block: Any = view[position : position + (1 << 16)]
                    position += len(block)
                    while piece := decoder.decompress(block, 1 << 20):
                        yield piece
                        block = decoder.unconsumed_tail
            except zlib.error as error:
                damages += 1
                self.problem("damaged", f"damaged after byte {start} ({error})")
                yield None
                position = self.data.find(b"\x1f\x8b\x08", start + 1)
                continue
            if not decoder.eof:
                self.problem("cut", "the file ends in the middle: still growing, or its writer was stopped")
                break
            position -= len(decoder.unused_data)
            self.good = position
        if damages >= MAX_DAMAGES:
            self.problem("damaged", "too damaged to go on")
        yield None

    def problem(self, kind: str, message: str) -> None:
        """Take note of a problem of the line read; `ObservationError` at more than `MAX_PROBLEMS`."""
        if len(self.problems) >= MAX_PROBLEMS:
            text = f"more than {MAX_PROBLEMS} lines that cannot be read: no observation"
            raise ObservationError(text, file=self.file)
        self.problems.append((self._line, kind, message))


@dataclass(frozen=True, kw_only=True)
class FileRead:
    """What any observation file says of itself, once it is read."""

    problems: pd.DataFrame
    """What could not be read, with the columns `PROBLEMS`."""
    source: str
    sha256: str
    started_at: datetime
    complete: bool
    """Whether the last run came to its end."""


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
        raise error.within(ObservationError, str(path)) from None
    scan, complete = Scan(data, str(path)), False
    headers: list[dict[str, Any]] = []
    for line, content in scan.lines():
        if not headers or "format" in content:
            form.check(content, path)
            headers.append(content)
            complete = False
            continue
        if "end" in content:
            complete = content.get("complete") is True
        try:
            take(line, content)
        except ValueError as error:
            scan.problem("record", str(error))
    if not headers:
        remedy = ("{} makes one", f"`mssante-audit observe {form.kind}`")
        raise ObservationError("not a {} observation", form.kind.upper(), file=str(path), remedy=remedy)
    started_at = datetime.fromisoformat(headers[0]["at"]).astimezone(UTC)
    return headers, {
        "problems": frame_of(scan.problems, PROBLEMS), "source": path.name, "sha256": digest(data),
        "started_at": started_at, "complete": complete,
    }  # fmt: skip


# By what names of files begin with, before a dash and a date; a file with another name is a `dns`.
FORMS = {form.kind: form for form in (DNS, TLS)}
# How long after an instant a run begun by then may still have asked: a night is as of its own beginning.
RUN = timedelta(days=1)
_STAMPED = re.compile(r"[a-z]+-(\d{4}-\d{2}-\d{2}T\d{6}Z)\.jsonl\.gz")


class File(NamedTuple):
    """An observation file, before it is read; `header` is its first line, empty if that cannot be read."""

    path: Path
    begun: datetime
    header: Mapping[str, Any]


class Aside(NamedTuple):
    """An observation file that is not used.

    `why`: ``future`` (begun after the instant audited at), ``zone`` (of another parent zone), ``unreadable``.
    """

    file: str
    why: str


def default_path(folder: Path, at: datetime, kind: str = "dns") -> Path:
    """Return where an observation begun at `at` goes in a data folder."""
    return folder / "observations" / f"{kind}-{stamp_of(at)}.jsonl.gz"


def observation_files(folder: Path, kind: str = "dns") -> list[Path]:
    """Return the observations of a kind that the observer left in a data folder, oldest first."""
    return sorted((folder / "observations").glob(f"{kind}-*.jsonl.gz"))


def find_observations(data: Path, kind: str = "dns") -> list[File]:
    """Return the observations of a kind in a data folder or in ``observations/`` below, last begun first."""
    paths = [path for folder in (data, data / "observations") for path in folder.glob("*.jsonl.gz")]
    paths = [path for path in paths if not path.is_dir() and _kind(path.name) == kind]
    dated = sorted((path for path in paths if begun_at(path.name)), key=lambda path: path.name)
    old = set(dated[:-400])  # their names tell when they were begun; the others are opened
    files = [_file(path, opened=path not in old) for path in paths]
    files.sort(key=lambda file: (file.begun, file.path.name), reverse=True)
    # One that cannot be read is refused if its name says that it is the newest, and not passed over.
    last = max(files, key=lambda file: file.path.name, default=None)
    return files if last is None or last.header else [last, *(file for file in files if file is not last)]


def begun_at(name: str) -> datetime | None:
    """Return when an observation was begun by the name that the observer gave it, if it did."""
    named = _STAMPED.fullmatch(name)
    with suppress(ValueError):
        return stamped(named[1]) if named else None
    return None


def is_whole(file: Path) -> bool:
    """Tell whether the last run of a file was to answer for the whole list, and came to its end."""
    with suppress(ObservationError):
        headers, read = read_file(file, FORMS[_kind(file.name)], lambda *_: None)
        return bool(read["complete"]) and not headers[-1]["settings"]["only"]
    return False


def is_of(file: Path, kind: str) -> bool:
    """Tell whether a file says of itself that it is an observation of a kind."""
    return _file(file).header.get("format") == FORMS[kind].format


def _kind(name: str) -> str:
    prefix = name.partition("-")[0]
    return prefix if _STAMPED.fullmatch(name) or prefix in FORMS else DNS.kind


def _file(path: Path, *, opened: bool = True) -> File:
    """Read the first line of a file; one without counts from the date in its name, and is refused later."""
    with suppress(InputError, OSError, zlib.error, ValueError, KeyError, TypeError, OverflowError):
        if opened:
            with open_regular(path) as file:
                head = zlib.decompressobj(31).decompress(file.read(1 << 16), 1 << 16)
            header = dict(json.loads(head.partition(b"\n")[0]))
            return File(path, datetime.fromisoformat(header["at"]).astimezone(UTC), header)
    return File(path, begun_at(path.name) or datetime.min.replace(tzinfo=UTC), {})


def comparison(before: Any, after: Any, lines: Iterable[str], *, same: bool) -> Iterator[str]:
    """Yield in English which two files were compared, and what was found."""
    for direction, part in (("from", before), ("to  ", after)):
        yield f"{direction} {part.source} ({part.started_at:%Y-%m-%d %H:%M} UTC)"
    yield from lines
    if same:
        yield "nothing changed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an observation has come."""

    done: int
    total: int
    outcomes: Mapping[str, int]
    sent: int = 0
    seconds: float = 0.0
    silent: tuple[str, ...] = ()


Report = Callable[[Progress], None]


class Writer:
    """Appends lines to a file that no one else is writing to: a new one, or with `resume` one that exists.

    `OutputError` if the file cannot be made or written, exists (without `resume`), or another run writes it.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path, self._begun = path, False
        self._lines: list[str] = []
        flags = os.O_RDWR | os.O_APPEND | (0 if resume else os.O_CREAT | os.O_EXCL)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, flags, 0o644)
        except FileExistsError:
            raise OutputError("exists already", file=str(path), remedy=ELSE_RESUME) from None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise  # whoever can wait for a descriptor may
            raise OutputError(error.strerror or "cannot be written", file=str(path)) from None
        reason = "is no file"
        with suppress(OSError):
            if stat.S_ISREG(os.fstat(self._file).st_mode):
                reason = "another run is writing it"
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
        os.close(self._file)
        raise OutputError(reason, file=str(path))

    def begin(self, form: Form, **facts: Any) -> None:
        """Write the header of a run."""
        self._begun = True
        self.write(form.header(datetime.now(UTC), tool=_TOOL, **facts))
        self.flush()

    def mend(self) -> None:
        """Cut off what a killed run left half-written; whole lines of it stay."""
        scan, good = Scan(self.path.read_bytes()), 0
        tail: list[dict[str, Any]] = []
        for _, line in scan.lines():
            if scan.good != good:
                good, tail = scan.good, []
            tail.append(line)
        os.ftruncate(self._file, scan.good)
        if scan.good == good:  # these are whole lines of a member that was cut
            self._lines[:0] = map(_encode, tail)
            self.flush()

    def write(self, content: dict[str, Any]) -> None:
        """Add a line; 512 of them make a member, or fewer where a run calls `flush`."""
        self._lines.append(_encode(content))
        if len(self._lines) >= 512:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting, as a gzip member; if the disk is full the file is left as it was before."""
        if not self._lines:
            return
        member = memoryview(gzip.compress(("\n".join(self._lines) + "\n").encode(), 6, mtime=0))
        self._lines = []
        size = os.fstat(self._file).st_size
        try:
            while member:
                member = member[os.write(self._file, member) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, size)
            state, remedy = "the file is left readable, as it was", "Make room, then go on with --resume"
            raise OutputError("{}: {}", error.strerror, state, file=str(self.path), remedy=remedy) from None

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def finish(self, *, complete: bool, **facts: Any) -> None:
        """Write the last line of a run that began, and close; the error of one that failed goes first."""
        try:
            if self._begun:
                self.write({"end": instant(datetime.now(UTC)), "complete": complete, **facts})
            self.close()
        except OutputError:
            if complete:
                raise
