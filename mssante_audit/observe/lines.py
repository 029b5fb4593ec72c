"""The lines of an observation file: what they may hold, and reading them out of any bytes."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mssante_audit.base.errors import InputError

FORMAT = "mssante-audit dns observation"
VERSION = 1
STEPS = ("walk", "sibling", "apex", "address", "recursion")
"""``walk``: a domain asked of the parent's servers and on down, zone by zone. ``sibling``: a name nobody
registered, to find wildcards. ``apex``: SOA, NS, DNSKEY of a zone, and its DS in the zone above. ``address``:
names of servers and mail hosts. ``recursion``: whether a server resolves for strangers."""
TRANSPORTS = ("udp", "tcp")
OUTCOMES = (
    "answer", "nodata", "nxdomain", "referral", "refused", "servfail", "lame", "truncated", "timeout",
    "unreachable", "malformed",
)  # fmt: skip
"""Every way a query can end. The last three, and ``truncated``, say nothing about what exists."""
TOLD = OUTCOMES[:4]
"""Those that say what exists."""
SILENT = ("timeout", "unreachable")
SECTIONS = ("answer", "authority", "additional")
MAX_LINE = 4 << 20
MAX_DAMAGES = 100
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_MAGIC = b"\x1f\x8b\x08"


class ObservationError(InputError):
    """A file that is not an observation, or not one this version can read."""


class Record(NamedTuple):
    """One resource record, as text: names in lower case, without the final dot."""

    section: str
    owner: str
    ttl: int
    type: str
    data: str


class Observed(NamedTuple):
    """One query and what came of it (fields: the columns above)."""

    at: str
    domain: str
    step: str
    zone: str
    qname: str
    qtype: str
    server: str
    address: str
    transport: str
    edns: bool
    rd: bool
    attempt: int
    outcome: str
    rcode: str
    flags: str
    cut: str
    rtt: float | None
    ignored: int
    records: tuple[Record, ...] = ()


@dataclass
class Scan:
    """Goes through a file line by line; what is wrong with the file is collected in `problems`."""

    data: bytes
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    good: int = 0
    """Where the last whole gzip member ends."""
    tail: list[bytes] = field(default_factory=list)
    """Whole lines found after `good`, in a member that was cut."""
    _line: int = 0

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number and the content of every line that is a JSON object."""
        rest = b""
        for piece in self._pieces():
            if piece is None:
                if rest:
                    self._problem("cut", "a line is cut")
                rest = b""
                continue
            *whole, rest = (rest + piece).split(b"\n")
            for raw in whole:
                self._line += 1
                if self._open:
                    self.tail.append(raw)
                if (content := self._parse(raw)) is not None:
                    yield self._line, content
            if len(rest) > MAX_LINE:
                self._problem("record", "a line is too long")
                rest = b""
        if rest:
            self._line += 1
            self._problem("cut", "the last line is cut")

    def _pieces(self) -> Iterator[bytes | None]:
        """Yield decompressed bytes, and ``None`` where some are missing."""
        view, position, damages = memoryview(self.data), 0, 0
        while 0 <= position < len(view) and damages < MAX_DAMAGES:
            start, decoder = position, zlib.decompressobj(31)
            self._open, self.tail = True, []
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
                self._problem("damaged", f"damaged after byte {start} ({error})")
                yield None
                position = self.data.find(_MAGIC, start + 1)
                continue
            if not decoder.eof:
                self._problem("cut", "the file ends in the middle: still growing, or its writer was stopped")
                return
            position -= len(decoder.unused_data)
            self.good, self._open, self.tail = position, False, []
        if damages >= MAX_DAMAGES:
            self._problem("damaged", "too damaged to go on")

    _open: bool = True

    def _parse(self, raw: bytes) -> dict[str, Any] | None:
        try:
            content = json.loads(raw.decode())
            if b"\\u" in raw:
                json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is not text
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            return content
        self._problem("record", "not a JSON object")
        return None

    def _problem(self, kind: str, message: str) -> None:
        self.problems.append((self._line, kind, message))


_CHECKS: dict[str, Any] = dict.fromkeys(Observed._fields, str) | {
    "edns": bool, "rd": bool, "attempt": int, "ignored": int, "rtt": (float, int, type(None)),
    "records": list,
}  # fmt: skip
_CHOICES = {"step": frozenset(STEPS), "outcome": frozenset(OUTCOMES), "transport": frozenset(TRANSPORTS)}


def parse_query(content: dict[str, Any]) -> Observed:
    """Check a query's line.

    Raises
    ------
    ValueError
        Saying which field is not as it should be.
    """
    values: list[Any] = []
    for name, kind in _CHECKS.items():
        value = content.get(name, ...)
        if not isinstance(value, kind) or (kind is int and not (type(value) is int and 0 <= value < 1 << 31)):
            raise ValueError(f"field {name}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"field {name}")
        values.append(value)
    *plain, rtt, ignored, listed = values
    if rtt is not None and not 0 <= rtt < 1e9:
        raise ValueError("field rtt")
    if not _is_instant(plain[0]):
        raise ValueError("field at")
    records = []
    for item in listed:
        if not (
            isinstance(item, list)
            and [type(part) for part in item] == [str, str, int, str, str]
            and item[0] in SECTIONS
            and 0 <= item[2] < 1 << 32
        ):
            raise ValueError("field records")
        records.append(Record(*item))
    return Observed._make([*plain, rtt, ignored, tuple(records)])


def _is_instant(text: str) -> bool:
    try:
        return bool(_INSTANT.fullmatch(text)) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def check_header(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a header line if this version can read what follows it.

    Raises
    ------
    ObservationError
        If it is no header, or a newer version's.
    """
    version = content.get("version")
    if content.get("format") != FORMAT or type(version) is not int:
        raise ObservationError("not a DNS observation", file=str(path))
    if version > VERSION:
        raise ObservationError(
            f"written by a newer version (format {version}, this one reads up to {VERSION})",
            file=str(path),
            remedy="Update mssante-audit",
        )
    try:
        good = all(isinstance(content[key], str) for key in ("parent_zone", "sibling", "at"))
    except KeyError:
        good = False
    if not good or not _is_instant(content["at"]):
        raise ObservationError("its header is damaged", file=str(path))
    return content
