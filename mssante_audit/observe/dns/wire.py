"""DNS questions and replies on the wire: encode one question, decode any bytes, name the outcome.

dnspython reads and writes record data here, and every name that is not plain (letters, digits, hyphens); for
those that are, reading and writing them as bytes costs a tenth. Its `dns.message` is not used on the way in
or out: it builds objects that nobody reads (measured on this project's replies: 104 to 160 µs a reply against
32 to 49 before plain names were read here, and 54 µs a query against 1), and it gives up a whole message for
one odd record. `tests/observing/test_dns_wire.py` compares the two, message by message.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

OUTCOMES = (
    "answer", "nodata", "nxdomain", "referral", "refused", "servfail", "lame", "truncated", "timeout",
    "unreachable", "malformed",
)  # fmt: skip
"""Every way a query can end. The last three, and ``truncated``, say nothing about what exists."""

SECTIONS = ("answer", "authority", "additional")
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 9: "NOTAUTH"}
MAX_RECORDS = 1000
"""Records kept of one reply; a reply with more is flagged ``cut`` (65,535 bytes can hold some 5,000)."""
EDNS_SIZE = 1232
"""Largest UDP reply asked for, as agreed on the DNS flag day 2020: no fragments."""

_HEAD, _RECORD, _SOA = struct.Struct("!6H"), struct.Struct("!HHIH"), struct.Struct("!5I")
_AA, _TC, _RD, _RA = 0x0400, 0x0200, 0x0100, 0x0080
_OPT_DO = b"\0" + struct.pack("!HHIH", 41, EDNS_SIZE, 0x8000, 0)
_NAME_TYPES = {2: "NS", 5: "CNAME", 12: "PTR", 39: "DNAME"}
_PROOFS = {
    46,
    47,
    50,
}  # RRSIG, NSEC, NSEC3: their presence is kept as a flag, their text is of no use to an audit
_PLAIN_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_is_plain = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}").fullmatch
_MAX_TEXT = 253
"""A plain name of so many characters takes 255 bytes."""
_texts: dict[tuple[bytes, ...], str] = {}


class Record(NamedTuple):
    """One resource record, as text: names in lower case, without the final dot."""

    section: str
    owner: str
    ttl: int
    type: str
    data: str


class Reply(NamedTuple):
    """A decoded reply."""

    rcode: str
    aa: bool
    tc: bool
    ra: bool
    edns: bool
    signed: bool
    """Whether it carried RRSIG, NSEC or NSEC3 records."""
    cut: bool
    """Whether it had more than `MAX_RECORDS` records."""
    records: tuple[Record, ...]


class Malformed(Exception):  # noqa: N818 - it never leaves the observer
    """Bytes that are not a reply."""


def canonical(text: str) -> str:
    r"""Return a domain name in the form used everywhere here: lower case, A-labels, no final dot.

    Returns "" for what the DNS cannot carry (empty, a label over 63 bytes, a name over 255…).

    >>> canonical("CH-Valfictif.mssante.fr.")
    'ch-valfictif.mssante.fr'
    >>> canonical("valfictif@ase.mssante.fr")
    'valfictif\\@ase.mssante.fr'
    >>> canonical("a..fr")
    ''
    """
    plain = text.strip().removesuffix(".").lower()
    if len(plain) <= _MAX_TEXT and text.isascii() and _is_plain(plain):
        return plain
    try:
        name = dns.name.from_text(text.strip())
        name.to_wire()
    except (dns.exception.DNSException, ValueError):
        return ""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def is_under(name: str, zone: str) -> bool:
    """Whether `name` is `zone` or below it (both canonical; "." is the root).

    >>> is_under("a.mssante.fr", "mssante.fr"), is_under("amssante.fr", "mssante.fr"), is_under("fr", ".")
    (True, False, True)
    """
    return zone == "." or name == zone or name.endswith("." + zone)


def encode_question(name: str, qtype: str) -> bytes:
    """Return the question section of a query for `name` (canonical, or ".")."""
    if _is_plain(name):
        labels = [label.encode() for label in name.split(".")]
        wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    else:
        wire = dns.name.from_text(name).to_wire() or b""
    return wire + struct.pack("!HH", dns.rdatatype.from_text(qtype), 1)


def encode_query(ident: int, question: bytes, *, edns: bool = True, rd: bool = False) -> bytes:
    """Return a whole query; with EDNS it asks for DNSSEC records (a referral then shows its DS)."""
    head = struct.pack("!6H", ident, _RD if rd else 0, 1, 0, 0, int(edns))
    return head + question + (_OPT_DO if edns else b"")


def is_reply_to(wire: bytes, question: bytes) -> bool:
    """Whether `wire` is a reply that repeats `question` (its id is the caller's to compare).

    An error without any question is accepted, as dnspython does: servers from before EDNS answer FORMERR so.
    """
    if len(wire) < 12 or not wire[2] & 0x80 or wire[2] & 0x78:
        return False
    if wire[4:6] == b"\0\1":
        end = 12 + len(question)
        asked, given = question, wire[12:end]
        return given == asked or (given[:-4].lower() == asked[:-4].lower() and given[-4:] == asked[-4:])
    return wire[4:6] == b"\0\0" and wire[3] & 0x0F in (1, 2, 4, 5)


def decode(wire: bytes) -> Reply:
    """Decode a reply.

    Raises
    ------
    Malformed
        For any bytes that are not a well-formed message.
    """
    try:
        return _decode(wire)
    except Malformed:
        raise
    except Exception as error:  # whatever a hostile reply provokes in a record's parser is the reply's fault
        raise Malformed(f"{type(error).__name__}: {error}") from error


def _decode(wire: bytes) -> Reply:
    _, flags, questions, *counts = _HEAD.unpack_from(wire)
    place, names = 12, _Names(wire)
    for _ in range(questions):
        _, place = names.read(place)
        place += 4
    records: list[Record] = []
    rcode, edns, signed, cut = flags & 0x0F, False, False, False
    try:
        for section, count in zip(SECTIONS, counts, strict=True):
            for _ in range(count):
                owner, place = names.read(place)
                rdtype, rdclass, ttl, length = _RECORD.unpack_from(wire, place)
                place += 10
                end = place + length
                if end > len(wire):
                    raise Malformed("a record that goes on beyond the message")
                if rdtype == 41:
                    edns, rcode = True, rcode | (ttl >> 24) << 4
                elif rdtype in _PROOFS:
                    signed = True
                elif len(records) >= MAX_RECORDS:
                    cut = True
                else:
                    kind, data = _data(names, rdclass, rdtype, place, end)
                    records.append(Record(section, owner, ttl, kind, data))
                place = end
        if place != len(wire):
            raise Malformed("bytes after the last record")
    except Exception:
        if not flags & _TC:  # a truncated reply may end anywhere: TCP will tell
            raise
    aa, tc, ra = bool(flags & _AA), bool(flags & _TC), bool(flags & _RA)
    return Reply(RCODES.get(rcode, str(rcode)), aa, tc, ra, edns, signed, cut, tuple(records))


class _Names:
    """Reads the names of one message; those that point at one read before are not read again."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self._known: dict[int, str] = {}

    def read(self, place: int) -> tuple[str, int]:
        """Return the name at `place`, as text, and where it ends."""
        wire, start, rest = self.wire, place, ""
        labels: list[tuple[int, str]] = []
        while size := wire[place]:
            if size >= 0xC0:
                rest = self._known.get((size & 0x3F) << 8 | wire[place + 1], "")
                if rest in ("", "."):
                    return self._read_odd(start)
                place += 1
                break
            label = wire[place + 1 : place + 1 + size]
            if size > 63 or len(label) < size or label.translate(None, _PLAIN_BYTES):
                return self._read_odd(start)
            labels.append((place, label.decode().lower()))
            place += 1 + size
        for begin, text in reversed(labels):
            rest = self._known[begin] = f"{text}.{rest}" if rest else text
        if not rest or len(rest) > _MAX_TEXT:
            return self._read_odd(start)
        return rest, place + 1

    def _read_odd(self, place: int) -> tuple[str, int]:
        name, length = dns.name.from_wire(self.wire, place)
        text = self._known[place] = _text(name)
        return text, place + length


def _data(names: _Names, rdclass: int, rdtype: int, place: int, end: int) -> tuple[str, str]:
    wire, size = names.wire, end - place
    if rdclass != 1:
        raise Malformed(f"a record of class {rdclass}")
    if rdtype in _NAME_TYPES:
        kind = _NAME_TYPES[rdtype]
        data, place = names.read(place)
    elif rdtype == 1 and size == 4:
        return "A", socket.inet_ntop(socket.AF_INET, wire[place:end])
    elif rdtype == 28 and size == 16:
        return "AAAA", socket.inet_ntop(socket.AF_INET6, wire[place:end])
    elif rdtype == 15 and size > 2:
        host, after = names.read(place + 2)
        kind, data, place = "MX", f"{int.from_bytes(wire[place : place + 2], 'big')} {host}", after
    elif rdtype == 6:
        primary, place = names.read(place)
        mailbox, place = names.read(place)
        kind, data = "SOA", f"{primary} {mailbox} {' '.join(map(str, _SOA.unpack_from(wire, place)))}"
        place += 20
    else:
        known = dns.rdatatype.RdataType.make(rdtype)
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, known, wire, place, size)
        return dns.rdatatype.to_text(known), rdata.to_text()
    if place != end:
        raise Malformed(f"a {kind} record of the wrong length")
    return kind, data


def _text(name: dns.name.Name) -> str:
    text = _texts.get(name.labels)
    if text is None:
        if len(_texts) > 20_000:
            _texts.clear()
        text = name.to_text(omit_final_dot=len(name.labels) > 1).lower()
        _texts[name.labels] = text
    return text


def classify(reply: Reply, zone: str | None, qname: str, qtype: str) -> tuple[str, str]:
    """Name the outcome of a reply.

    Parameters
    ----------
    reply
        As decoded.
    zone
        The zone the server was asked as a server of; ``None`` for a resolver, which need not be
        authoritative.
    qname, qtype
        What was asked.

    Returns
    -------
    tuple of str
        One of `OUTCOMES`, and the zone cut that the reply shows: the owner of a referral's NS set, or of an
        SOA below `zone` (the server carries that zone too), else "". A referral hands over a name below
        `zone` and at or above `qname`; an NS set of any other owner (upwards, sideways) is lame. The AA bit
        on a reply that holds nothing but such an NS set is taken for a mistake, and the flags keep it.
    """
    if reply.tc:
        return "truncated", ""
    trusted = reply.aa or zone is None
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return ("servfail" if reply.rcode == "SERVFAIL" else "refused"), ""
    answers = [r for r in reply.records if r.section == "answer"]
    authority = [r for r in reply.records if r.section == "authority"]
    cut = (
        ""
        if zone is None
        else _cut(zone, qname, [r.owner for r in (*answers, *authority) if r.type == "SOA"])
    )
    if reply.rcode == "NXDOMAIN":
        return ("nxdomain", cut) if trusted else ("lame", "")
    if answers:
        if not any((r.owner == qname and r.type in (qtype, "CNAME")) or r.type == "DNAME" for r in answers):
            return "malformed", ""
        return ("answer", cut) if trusted else ("lame", "")
    owners = {r.owner for r in authority if r.type == "NS"}
    if zone is not None and owners and not any(r.type == "SOA" for r in authority):
        if len(owners) == 1 and (below := _cut(zone, qname, list(owners))):
            return "referral", below
        return ("nodata" if reply.aa and owners == {zone} else "lame"), ""
    return ("nodata", cut) if trusted else ("lame", "")


def _cut(zone: str, qname: str, owners: list[str]) -> str:
    """Return the first of `owners` that lies below `zone`, and at or above `qname`."""
    return next((o for o in owners if o != zone and is_under(o, zone) and is_under(qname, o)), "")
