"""The lines of an observation file: what they may hold, and reading them out of any bytes."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

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
MAX_ALIASES = 8
"""Aliases followed from one name, when asking as when reading."""
MAX_LINE = 4 << 20
MAX_DAMAGES = 100
MAX_PROBLEMS = 100_000
_FIELDS = {
    "MX": re.compile(r"[0-9]{1,5} [^ ]+"),
    "SOA": re.compile(r"[^ ]+ [^ ]+( [0-9]{1,10}){5}"),
    "NS": re.compile(r"[^ ]+"),
    "CNAME": re.compile(r"[^ ]+"),
    "DS": re.compile(r"[0-9]{1,5}( [0-9]{1,3}){2} [0-9a-fA-F ]*"),
    "DNSKEY": re.compile(r"[0-9]{1,5}( [0-9]{1,3}){2}( [^ ]+)*"),
    "RRSIG": re.compile(r"[A-Z0-9]+( [0-9]{1,10}){3}( [0-9]{14}){2} [0-9]{1,5}( [^ ]+)+"),
}
"""What the data of a record looks like, for the types that are read here."""
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_MAGIC = b"\x1f\x8b\x08"


class ObservationError(InputError):
    """A file that is not an observation, or not one this version can read."""


def checked_instant(text: str) -> str:
    """Return an instant as a line has it; `ValueError` if it is none."""
    if not _INSTANT.fullmatch(text):
        raise ValueError
    datetime.fromisoformat(text)
    return text


def instant(at: datetime) -> str:
    """Write an instant (UTC) as a line has it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(1 << 12)
def is_address(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


@lru_cache(1 << 12)
def _is_readable(kind: str, data: str) -> bool:
    if kind in ("A", "AAAA"):
        return is_address(data) and (":" in data) == (kind == "AAAA")
    return kind not in _FIELDS or _FIELDS[kind].fullmatch(data) is not None


def _readable(record: Record) -> Record:
    if not _is_readable(record.type, record.data):
        raise ValueError
    return record


def _server_address(text: str) -> str:
    if text and not is_address(text):
        raise ValueError
    return text


def _one_of(choices: tuple[str, ...]) -> Any:
    return Field(pattern=f"^(?:{'|'.join(choices)})$")


_Count = Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]
_Flag = Annotated[bool, Field(strict=True)]


Line = TypeVar("Line", bound=tuple[Any, ...])


class Record(NamedTuple):
    """One resource record, as text: names in lower case, without the final dot."""

    section: Annotated[str, _one_of(SECTIONS)]
    owner: str
    ttl: Annotated[int, Field(strict=True, ge=0, lt=1 << 32)]
    type: str
    data: str


class Observed(NamedTuple):
    """One query and what came of it (fields: the columns above)."""

    at: Annotated[str, AfterValidator(checked_instant)]
    domain: str
    step: Annotated[str, _one_of(STEPS)]
    zone: str
    qname: str
    qtype: str
    server: str
    address: Annotated[str, AfterValidator(_server_address)]
    transport: Annotated[str, _one_of(TRANSPORTS)]
    edns: _Flag
    rd: _Flag
    attempt: _Count
    outcome: Annotated[str, _one_of(OUTCOMES)]
    rcode: str
    flags: str
    cut: str
    rtt: Annotated[float, Field(strict=True, ge=0, lt=1e9)] | None
    ignored: _Count
    records: tuple[Annotated[Record, AfterValidator(_readable)], ...] = ()


def reader_of(kind: type[Line]) -> Callable[[Mapping[str, Any]], Line]:
    """Return what checks a line of this kind; its `ValueError` says which field is not as it should be."""
    check, names = TypeAdapter(kind).validate_python, vars(kind)["_fields"]

    def read(content: Mapping[str, Any]) -> Line:
        try:
            return check([content.get(name, ...) for name in names])
        except ValidationError as errors:
            place = errors.errors()[0]["loc"][0]
            raise ValueError(f"field {names[place] if isinstance(place, int) else place}") from None

    return read


parse_query = reader_of(Observed)
"""Checks a query's line."""


class Ask(NamedTuple):
    """A question to an address (fields as in `Observed`)."""

    domain: str
    step: str
    zone: str
    qname: str
    qtype: str
    server: str
    address: str
    transport: str = "udp"
    rd: bool = False


PROBLEMS = {"line": "int64", "kind": "str", "message": "str"}
"""Columns of what is wrong with a file, as a frame."""


@dataclass
class Scan:
    """Goes through a file line by line; what is wrong with the file is collected in `problems`."""

    data: bytes
    keeps_tail: bool = False
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    good: int = 0
    """Where the last whole gzip member ends."""
    tail: list[bytes] = field(default_factory=list)
    """Whole lines found after `good`, in a member that was cut, if `keeps_tail`: a whole file may be one."""
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
                if self._open and self.keeps_tail:
                    self.tail.append(raw)
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
                self.problem("damaged", f"damaged after byte {start} ({error})")
                yield None
                position = self.data.find(_MAGIC, start + 1)
                continue
            if not decoder.eof:
                self.problem("cut", "the file ends in the middle: still growing, or its writer was stopped")
                return
            position -= len(decoder.unused_data)
            self.good, self._open, self.tail = position, False, []
        if damages >= MAX_DAMAGES:
            self.problem("damaged", "too damaged to go on")

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
        self.problem("record", "not a JSON object")
        return None

    def problem(self, kind: str, message: str) -> None:
        """Take note of a problem of the line read; `ObservationError` at more than `MAX_PROBLEMS`."""
        if len(self.problems) >= MAX_PROBLEMS:
            raise ObservationError(f"more than {MAX_PROBLEMS} lines that cannot be read: no observation")
        self.problems.append((self._line, kind, message))


def header_of(
    kind: str, form: str, newest: int, texts: tuple[str, ...], content: dict[str, Any], path: Path
) -> dict[str, Any]:
    """Return a header line of a kind of observation if this version can read what follows it.

    Its ``format`` is `form`, its ``version`` `newest` at most; it has the fields `texts`.

    Raises
    ------
    ObservationError
        If it is no header, or a newer version's.
    """
    version = content.get("version")
    if content.get("format") != form or type(version) is not int:
        raise ObservationError(f"not a {kind} observation", file=str(path))
    if version > newest:
        raise ObservationError(
            f"written by a newer version (format {version}, this one reads up to {newest})",
            file=str(path),
            remedy="Update mssante-audit",
        )
    with suppress(KeyError, ValueError):
        if all(isinstance(content[key], str) for key in texts):
            checked_instant(content["at"])
            return content
    raise ObservationError("its header is damaged", file=str(path))


check_header = partial(header_of, "DNS", FORMAT, VERSION, ("parent_zone", "sibling", "at"))
"""Returns a header line of an observation of the DNS."""


def bytes_of(path: Path) -> bytes:
    """Return what a file holds; `ObservationError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ObservationError(error.strerror or "cannot be read", file=str(path)) from None


def is_weak(asked: Any, records: Iterable[Any]) -> bool:
    """Tell whether a reply answers its question, though without authority (AA is not set).

    `asked` has the reply's ``outcome``, ``qname`` and ``qtype``.
    """
    return asked.outcome == "lame" and any(
        r.section == "answer" and r.owner == asked.qname and r.type in (asked.qtype, "CNAME") for r in records
    )


def own_answers(name: str, records: Iterable[Any]) -> set[tuple[str, str]]:
    """Return type and data of the records of a reply that answer a name itself."""
    own = (r for r in records if (r.section, r.owner) == ("answer", name) and r.type != "RRSIG")
    return {(r.type, r.data) for r in own}
