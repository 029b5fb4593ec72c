"""Observation files of any kind: JSON Lines in gzip members, read out of any bytes as far as possible."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.reading import read_bytes
from mssante_audit.observe.lines import VERSION, ObservationError, parse_at

MAX_LINE = 4 << 20
MAX_FILE = 1 << 30
"""Bytes of a file: some two hundred times that of a night."""
MAX_DAMAGES = 100
MAX_PROBLEMS = 100_000
PROBLEMS = {"line": "int64", "kind": "str", "message": "str"}
"""Columns of what is wrong with a file: ``kind`` is ``cut``, ``damaged`` or ``record``."""
_MAGIC = b"\x1f\x8b\x08"


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
                    self.problem("cut", "a line is cut")
                rest = b""
                continue
            *whole, rest = (rest + piece).split(b"\n")
            for raw in whole:
                self._line += 1
                if (content := self._parse(raw)) is not None:
                    yield self._line, content
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
                    block = view[position : position + (1 << 16)]
                    position += len(block)
                    piece = decoder.decompress(block, 1 << 20)
                    while piece:
                        yield piece
                        piece = decoder.decompress(decoder.unconsumed_tail, 1 << 20)
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

    def _parse(self, raw: bytes) -> dict[str, Any] | None:
        try:
            content = json.loads(raw.decode())
            if b"\\u" in raw:
                json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is not text
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            return content
        self.problem("record", "not a JSON object")
        return None

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
    texts: tuple[str, ...]
    """Fields of a header line that are texts."""

    def header(self, content: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return a header line; `ObservationError` if this program cannot read what follows it."""
        given = content.get("version")
        if content.get("format") != f"mssante-audit {self.kind} observation" or type(given) is not int:
            raise ObservationError(f"not a {self.kind.upper()} observation", file=str(path))
        if given != self.version:
            newer = given > self.version
            raise ObservationError(
                f"written by {'a newer' if newer else 'an older'} version"
                f" (format {given}, this one reads {self.version})",
                file=str(path),
                remedy="Update mssante-audit" if newer else "Observe again",
            )
        try:
            parse_at(content.get("at"))
            if all(isinstance(content.get(name), str) for name in self.texts):
                return content
        except ValueError:
            pass
        raise ObservationError("its header is damaged", file=str(path))


DNS = Form("dns", VERSION, ("parent_zone", "sibling"))


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
        raise ObservationError(
            f"not a {form.kind.upper()} observation",
            file=str(path),
            remedy=f"`mssante-audit observe {form.kind}` makes one",
        )
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
