"""The observation file: what the DNS said, one line a query, and the frames read from it.

JSON Lines in gzip members, appended as the observation goes, so it can be read while it grows and after a kill.
Lines are of four kinds. A *header* opens each run (``format``, ``version``, ``at``, ``parent_zone``, ``sibling``, the
label asked for to find wildcards, ``ipv6``, ``settings``). A *query* has the fields of `Observed`. A *note* says
what was left out and why. An *end* closes a run (``complete``, and what was thrown away as no reply of ours).

Columns of `Observation.queries`, one row a query sent (``attempt`` 0: not sent, the address had been found silent):

============== =============== ====================================================================================
column         dtype           meaning
============== =============== ====================================================================================
``line``       int64           line of the file, 1-based; key of `Observation.records`
``at``         datetime64 UTC  when it was sent
``domain``     str             the listed domain it was first asked for ("" for the parent zone itself)
``step``       category        why, one of `STEPS`
``zone``       str             the zone whose server was asked; "" for a resolver
``qname``      str             name asked, canonical (`dns_wire.canonical`)
``qtype``      str             type asked
``server``     str             name of the server, "" for a resolver
``address``    str             its address
``transport``  category        ``udp`` or ``tcp``
``edns``       bool            whether the query carried EDNS
``rd``         bool            whether it asked for recursion
``attempt``    int64           1, 2, 3…
``outcome``    category        one of `dns_wire.OUTCOMES`
``rcode``      str             "" without a reply
``flags``      str             of the reply, in this order: ``aa tc ra edns signed cut`` (`dns_wire.Reply`)
``cut``        str             of a referral: the name delegated
``rtt``        float64         milliseconds; NaN without a reply
``ignored``    int64           messages with this query's id that were not its reply
============== =============== ====================================================================================

`Observation.records`: ``line`` int64, ``section`` category, ``owner`` str, ``ttl`` int64, ``type`` str, ``data`` str.
`Observation.problems`: ``line`` int64, ``kind`` str (``cut``, ``damaged``, ``record``), ``message`` str.
`Observation.notes`: ``line`` int64, ``zone`` str, ``text`` str.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.dns_wire import OUTCOMES, SECTIONS, Record
from mssante_audit.errors import InputError

FORMAT = "mssante-audit dns observation"
VERSION = 1
STEPS = ("walk", "sibling", "apex", "address", "recursion")
"""``walk``: a domain asked of the parent's servers and on down, zone by zone. ``sibling``: a name nobody registered,
to find wildcards. ``apex``: SOA, NS, DNSKEY of a zone. ``address``: names of servers and mail hosts.
``recursion``: whether a server resolves for strangers."""
TRANSPORTS = ("udp", "tcp")
MAX_LINE = 4 << 20
MAX_DAMAGES = 100
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")
_MAGIC = b"\x1f\x8b\x08"


class ObservationError(InputError):
    """A file that is not an observation, or not one this version can read."""


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


@dataclass(frozen=True)
class Observation:
    """An observation file, read."""

    queries: pd.DataFrame
    records: pd.DataFrame
    problems: pd.DataFrame
    notes: pd.DataFrame
    source: str
    sha256: str
    parent_zone: str
    siblings: tuple[str, ...]
    """The labels that no domain has, one a run."""
    ipv6: bool
    """Whether IPv6 addresses could be asked."""
    started_at: datetime
    complete: bool
    """Whether the last run came to its end."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Messages that answered nothing asked, by source address, over all runs."""


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


_CHECKS: dict[str, type | tuple[type, ...]] = {
    name: {"edns": bool, "rd": bool, "attempt": int, "ignored": int, "rtt": (float, int, type(None)), "records": list}
    .get(name, str)
    for name in Observed._fields
}  # fmt: skip
_CHOICES = {"step": frozenset(STEPS), "outcome": frozenset(OUTCOMES), "transport": frozenset(TRANSPORTS)}


def parse_query(content: dict[str, Any]) -> Observed:
    """Check a query's line.

    Raises
    ------
    ValueError
        Saying which field is not as it should be.
    """
    values = []
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
    return Observed(*plain, rtt, ignored, tuple(records))


def _is_instant(text: str) -> bool:
    try:
        return bool(_INSTANT.fullmatch(text)) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


class _Texts:
    """A str column built from few distinct values: kept once, and by number."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._rows: list[int] = []

    def append(self, text: str) -> None:
        self._rows.append(self._codes.setdefault(text, len(self._codes)))

    def series(self) -> pd.Series[str]:
        values = pd.array(list(self._codes), dtype="str")
        return pd.Series(values.take(self._rows) if self._rows else values)


def load_observation(source: str | Path) -> Observation:
    """Read an observation file.

    A file that is still growing, was cut, is damaged, or holds lines that are not as they should be is read as
    far as possible: what could not be read is in `Observation.problems`.

    Raises
    ------
    ObservationError
        If the file cannot be opened, is no observation, or was written by a newer version.
    """
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ObservationError(error.strerror or "cannot be read", file=str(path)) from None
    scan = Scan(data)
    headers: list[dict[str, Any]] = []
    notes: list[tuple[int, str, str]] = []
    ignored: dict[str, int] = {}
    complete = False

    def queries() -> Iterator[tuple[int, Observed]]:
        nonlocal complete
        for line, content in scan.lines():
            if not headers or "format" in content:
                headers.append(check_header(content, path))
                complete = False
            elif "note" in content:
                notes.append((line, str(content.get("zone", "")), str(content["note"])))
            elif "end" in content:
                complete = content.get("complete") is True
                for address, count in _counts(content.get("ignored")):
                    ignored[address] = ignored.get(address, 0) + count
            else:
                try:
                    yield line, parse_query(content)
                except ValueError as error:
                    scan.problems.append((line, "record", str(error)))

    frames = _frames(queries())
    if not headers:
        raise ObservationError(
            "not a DNS observation", file=str(path), remedy="`mssante-audit observe dns` makes one"
        )
    return Observation(
        *frames,
        problems=_problem_frame(scan.problems, "kind", "message"),
        notes=_problem_frame(notes, "zone", "text"),
        source=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        parent_zone=headers[0]["parent_zone"],
        siblings=tuple(dict.fromkeys(h["sibling"] for h in headers)),
        ipv6=all(h.get("ipv6") is True for h in headers),
        started_at=datetime.fromisoformat(headers[0]["at"]).astimezone(UTC),
        complete=complete,
        ignored=ignored,
    )


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


def _counts(content: object) -> Iterator[tuple[str, int]]:
    if isinstance(content, dict):
        yield from ((k, v) for k, v in content.items() if type(v) is int and 0 <= v < 1 << 31)


def _problem_frame(rows: list[tuple[int, str, str]], *names: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["line", *names])
    return frame.astype({"line": "int64", **dict.fromkeys(names, "str")})


def _frames(queries: Iterable[tuple[int, Observed]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    texts = ("domain", "step", "zone", "qname", "qtype", "server", "address", "transport", "outcome", "rcode")
    kinds = dict.fromkeys((*texts, "flags", "cut"), "str")
    kinds |= {"edns": "bool", "rd": "bool", "attempt": "int64", "rtt": "float64", "ignored": "int64"}
    columns: dict[str, Any] = {
        n: _Texts() if kinds.get(n) == "str" else [] for n in ("line", *Observed._fields[:-1])
    }
    parts: dict[str, Any] = {n: [] if n in ("line", "ttl") else _Texts() for n in ("line", *Record._fields)}
    adders = [columns[name].append for name in Observed._fields[:-1]]
    add_line = columns["line"].append
    for line, query in queries:
        add_line(line)
        for add, value in zip(adders, query, strict=False):
            add(value)
        for record in query.records:
            for name, value in zip(parts, (line, *record), strict=True):
                parts[name].append(value)
    columns["at"] = pd.to_datetime(
        pd.Series(columns["at"], dtype="object"), utc=True, format="ISO8601"
    ).astype("datetime64[us, UTC]")
    first = pd.DataFrame(
        {
            n: c.series() if isinstance(c, _Texts) else pd.Series(c, dtype=kinds.get(n))
            for n, c in columns.items()
        }
    )
    second = pd.DataFrame(
        {n: c.series() if isinstance(c, _Texts) else pd.Series(c, dtype="int64") for n, c in parts.items()}
    )
    choices = {"step": STEPS, "transport": TRANSPORTS, "outcome": OUTCOMES}
    return (
        first.astype({"line": "int64", **{n: pd.CategoricalDtype(list(c)) for n, c in choices.items()}}),
        second.astype({"section": pd.CategoricalDtype(list(SECTIONS))}),
    )
