"""The lines of an observation file: what they may hold, and reading them out of any bytes."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_bytes

FORMAT = "mssante-audit dns observation"
VERSION = 2
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
CONCLUSIVE = OUTCOMES[:3]
INFORMATIVE = OUTCOMES[:4]
"""Those that say what exists: the conclusive ones end a search, a referral leads on."""
SILENT = ("timeout", "unreachable")
NO_EDNS = {"FORMERR": "formerr", "NOTIMP": "notimp", "16": "badvers"}
"""Rcodes of servers that do not take EDNS, or not its version (16: BADVERS)."""
SECTIONS = ("answer", "authority", "additional")
MAX_LINE = 4 << 20
MAX_FILE = 1 << 30
"""Bytes of a file: some two hundred times that of a night."""
MAX_DAMAGES = 100
MAX_PROBLEMS = 100_000
_FIELDS = {
    "MX": re.compile(r"[0-9]{1,5} [^ ]+"),
    "SOA": re.compile(r"[^ ]+ [^ ]+( [0-9]{1,10}){5}"),
    "NS": re.compile(r"[^ ]+"),
    "CNAME": re.compile(r"[^ ]+"),
    "DNAME": re.compile(r"[^ ]+"),
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
    parse_at(text)
    return text


def parse_at(text: Any) -> datetime:
    """Return the instant that a line has; `ValueError` if it is none."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text)


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


class Reply(NamedTuple):
    """One query and what came of it; docs/observing.md says what the fields mean."""

    at: Annotated[datetime, BeforeValidator(parse_at)]
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
    line: int = 0
    """Where it stands in the file that it was read from, from 1."""

    def content(self) -> dict[str, Any]:
        """Return it as a line of the file."""
        content = self._asdict() | {"at": instant(self.at)}
        del content["line"]
        return content

    @property
    def silent(self) -> bool:
        """Whether nothing came."""
        return self.outcome in SILENT

    @property
    def signed(self) -> bool:
        """Whether it carried DNSSEC records."""
        return "signed" in self.flags

    @property
    def weak(self) -> bool:
        """Whether it answers its question without authority (AA is not set): resolvers take it."""
        return self.outcome == "lame" and any(
            r.section == "answer" and r.owner == self.qname and r.type in (self.qtype, "CNAME")
            for r in self.records
        )

    @property
    def usable(self) -> bool:
        """Whether it says what a name has, for a resolver."""
        return self.outcome in CONCLUSIVE or self.weak

    @property
    def chain(self) -> tuple[str, ...]:
        """The name asked for, what it is an alias of, and so on; a circle ends where it comes back."""
        aliases = {r.owner: r.data for r in self.records if r.type == "CNAME" and r.section == "answer"}
        names = [self.qname]
        while (target := aliases.get(names[-1])) is not None:
            names.append(target)
            if target in names[:-1]:
                break
        return tuple(names)

    @property
    def alias(self) -> str:
        """The end of its aliases, "" where there is none."""
        chain = self.chain
        return chain[-1] if len(chain) > 1 else ""

    @property
    def own(self) -> frozenset[str]:
        """Data of the type asked for, of the name itself."""
        name, kind = self.qname, self.qtype
        return frozenset(
            [r.data for r in self.records if r.type == kind and r.owner == name and r.section == "answer"]
        )

    @property
    def answers(self) -> frozenset[str]:
        """The same, of the name or of one that it is an alias of."""
        if len(chain := self.chain) == 1:
            return self.own
        kind = self.qtype
        return frozenset(
            [r.data for r in self.records if r.type == kind and r.owner in chain and r.section == "answer"]
        )

    def data(self, kind: str, owner: str) -> set[str]:
        """Return the data of an owner's records of a type, in whatever section."""
        return {r.data for r in self.records if r.type == kind and r.owner == owner}

    def addresses(self, names: Collection[str]) -> dict[str, set[str]]:
        """Return the addresses that it gives for some names beside what was asked for (glue)."""
        found: dict[str, set[str]] = {}
        for record in self.records:
            if record.section == "additional" and record.type in ("A", "AAAA") and record.owner in names:
                found.setdefault(record.owner, set()).add(record.data)
        return found


def reader_of(kind: type[Line]) -> Callable[[Mapping[str, Any]], Line]:
    """Return what checks a line of this kind; its `ValueError` says which field is not as it should be."""
    check = TypeAdapter(kind).validate_python
    names = [name for name in vars(kind)["_fields"] if name != "line"]

    def read(content: Mapping[str, Any]) -> Line:
        try:
            return check([content.get(name, ...) for name in names])
        except ValidationError as errors:
            place = errors.errors()[0]["loc"][0]
            raise ValueError(f"field {names[place] if isinstance(place, int) else place}") from None

    return read


parse_reply = reader_of(Reply)
"""Checks a query's line."""


class Ask(NamedTuple):
    """A question to an address (fields as in `Reply`)."""

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
    kind: str, form: str, version: int, texts: tuple[str, ...], content: dict[str, Any], path: Path
) -> dict[str, Any]:
    """Return a header line of a kind of observation if this program can read what follows it.

    Its ``format`` is `form`, its ``version`` `version`; it has the fields `texts`.

    Raises
    ------
    ObservationError
        If it is no header, or of another version.
    """
    given = content.get("version")
    if content.get("format") != form or type(given) is not int:
        raise ObservationError(f"not a {kind} observation", file=str(path))
    how = f"(format {given}, this one reads {version})"
    if given > version:
        raise ObservationError(
            f"written by a newer version {how}", file=str(path), remedy="Update mssante-audit"
        )
    if given < version:
        raise ObservationError(f"written by an older version {how}", file=str(path), remedy="Observe again")
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
        return read_bytes(path, MAX_FILE)
    except InputError as error:
        raise ObservationError(error.message, file=str(path)) from None


def own_answers(reply: Reply) -> set[tuple[str, str]]:
    """Return type and data of the records of a reply that answer its name itself."""
    return {
        (r.type, r.data)
        for r in reply.records
        if (r.section, r.owner) == ("answer", reply.qname) and r.type != "RRSIG"
    }
