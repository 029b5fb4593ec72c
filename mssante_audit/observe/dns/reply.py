"""A reply as dnspython reads it, in the words of an observation, and the name of its outcome."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.wire
from dns.rdatatype import to_text

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import SECTIONS, Record

MAX_RECORDS = 1000
"""Records read of one reply; a reply with more is flagged ``cut`` (65,535 bytes can hold some 5,000)."""
MAX_ODD = 50
"""Records read of one that has an unreadable one: each can be made to cost as much as a hundred good ones."""

_COUNTS = struct.Struct("!3H")
_PROOFS = {"RRSIG", "NSEC", "NSEC3"}
"""Their presence is kept as a flag; of signatures, those that `mssante_audit.network.dnssec` checks."""
_SIGNED = {"A", "AAAA", "CNAME", "DNAME", "DNSKEY", "DS", "MX", "SOA"}
_NAMES = {"NS", "CNAME", "PTR", "DNAME", "MX", "SOA"}  # types whose data are names, and numbers
_NAMED = {0, 1, 2, 3, 4, 5, 9}  # rcodes written by name; files hold the number of any other


class Message(NamedTuple):
    """A decoded reply."""

    rcode: str
    flags: tuple[str, ...]
    """``aa``, ``tc``, ``ra``; ``edns``; ``signed`` (it carried RRSIG, NSEC or NSEC3); ``cut`` (more records
    than were read)."""
    records: tuple[Record, ...]
    odd: bool = False  # whether it had records that could not be read, and are left out


class Malformed(Exception):  # noqa: N818 - it never leaves the observer
    """Bytes that are not a reply."""


def read_message(wire: bytes) -> Message:
    """Read a reply; an unreadable record costs only itself. `Malformed` if records cannot be told apart."""
    for limit, lenient in ((MAX_RECORDS, False), (MAX_ODD, True)):
        try:
            return _read(wire, limit, lenient=lenient)
        except (MemoryError, OSError):
            raise
        except Exception as error:  # whatever a hostile reply provokes in a parser is the reply's fault
            fault = Malformed(f"{type(error).__name__}: {error}")
    raise fault


def _read(wire: bytes, limit: int, *, lenient: bool) -> Message:
    answers, authorities, others = _COUNTS.unpack_from(wire, 6)
    total = answers + authorities + others
    if cut := total > limit:
        answers = min(answers, limit)
        authorities = min(authorities, limit - answers)
        wire = wire[:6] + _COUNTS.pack(answers, authorities, limit - answers - authorities) + wire[12:]
        total = limit
    how = {"one_rr_per_rrset": True, "ignore_trailing": cut, "continue_on_error": lenient}
    message = dns.message.from_wire(wire, **how)
    tc = bool(message.flags & dns.flags.TC)
    if not tc:  # a truncated reply may end anywhere: TCP will tell
        found = sum(map(len, message.sections[1:])) + len(message.errors)
        if lenient:
            _told_apart(wire, total)
        if found + (message.opt is not None) + (message.tsig is not None) != total:
            raise Malformed("records that do not end where they say")
    signed, odd, records = False, bool(message.errors), []
    for section, sets in zip(SECTIONS, message.sections[1:], strict=True):
        for rrset in sets:
            kind = to_text(rrset.rdtype)
            if kind in _PROOFS:
                signed = True
                if kind != "RRSIG" or to_text(rrset.covers) not in _SIGNED or section == "additional":
                    continue
            elif rrset.rdclass != dns.rdataclass.IN:
                odd = True
                continue
            owner, data = _canonical(rrset.name.to_text()), rrset[0].to_text()
            data = " ".join(map(_canonical, data.split(" "))) if kind in _NAMES else data
            records.append(Record(section, owner, rrset.ttl, kind, data))
    rcode, flags = int(message.rcode()), dns.flags.to_text(message.flags).lower().split()
    said = {"edns": message.edns >= 0, "signed": signed, "cut": cut}
    said = {**{name: name in flags for name in ("aa", "tc", "ra")}, **said}
    name = dns.rcode.Rcode(rcode).name if rcode in _NAMED else str(rcode)
    return Message(name, tuple(flag for flag in said if said[flag]), tuple(records), odd)


def _told_apart(wire: bytes, total: int) -> None:
    """Raise if a message ends before its last record does: read leniently, what is missing is odd."""
    parser = dns.wire.Parser(wire, 4)
    (questions,) = parser.get_struct("!H")
    parser.seek(12)
    for number in range(questions + total):
        parser.get_name(decompress=True)
        parser.get_bytes(4 if number < questions else parser.get_struct("!HHIH")[-1])


def _canonical(name: str) -> str:
    return (name.removesuffix(".") or ".").lower()


def classify(message: Message, zone: str | None, qname: str, qtype: str) -> tuple[str, str]:
    """Name the outcome of a reply from a server of `zone`, or a resolver (``None``), and the cut it shows.

    The cut is the owner of a referral's NS set, or of an SOA below `zone` (the server carries that zone too).
    A referral hands over a name below `zone` and at or above `qname`; an NS set of any other owner (upwards,
    sideways) is lame. The AA bit on a reply that holds nothing but such an NS set is taken for a mistake.
    """
    if "tc" in message.flags:
        return "truncated", ""
    trusted = "aa" in message.flags or zone is None
    if message.rcode not in ("NOERROR", "NXDOMAIN"):
        return ("servfail" if message.rcode == "SERVFAIL" else "refused"), ""
    answers = [r for r in message.records if r.section == "answer"]
    authority = [r for r in message.records if r.section == "authority"]

    def cut_of(owners: Iterable[str]) -> str:
        """Return the first that lies below the zone, and at or above the name asked for."""
        below = (o for o in owners if zone and o != zone and is_under(o, zone) and is_under(qname, o))
        return next(below, "")

    soas = [r.owner for r in (*answers, *authority) if r.type == "SOA"]
    cut = cut_of(soas)
    if message.rcode == "NXDOMAIN":
        return ("nxdomain", cut) if trusted else ("lame", "")
    if answers:
        if not any((r.owner == qname and r.type in (qtype, "CNAME")) or r.type == "DNAME" for r in answers):
            return "malformed", ""
        return ("answer", cut) if trusted else ("lame", "")
    owners, below = {r.owner for r in authority if r.type == "NS"}, ""
    if zone is not None and owners and not soas:
        below = cut_of(owners) if len(owners) == 1 else ""
        trusted = trusted and owners == {zone}
    if message.odd and (not below or "aa" in message.flags):
        return "malformed", ""  # what could not be read may be what was asked for
    if below:
        return "referral", below
    return ("nodata", cut) if trusted else ("lame", "")
