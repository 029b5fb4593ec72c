"""One question to one address over UDP or TCP, the reply that belongs to it, and what that says.

A reply is taken only if it comes from the address and port asked, to the port that asked, with the id and the
question asked; everything else is counted and thrown away. Where this machine has no file descriptor or
memory left, a question waits, and blames no server.
"""

import asyncio
import errno
import fcntl
import secrets
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.wire
from dns.rdatatype import DS, to_text

from mssante_audit.base.errors import ResourceError
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import SCARCE, SECTIONS, Ask, Record, Reply

SCARCE_FOR = 20.0  # seconds to wait for what this machine lacks
# Records read of one reply; a reply with more is flagged `cut` (65,535 bytes can hold some 5,000).
MAX_RECORDS = 1000
# Records read of one that has an unreadable one: each can be made to cost as much as a hundred good ones.
MAX_ODD = 50

_STAMP = 0x8907  # SIOCGSTAMPNS of Linux: when the message came that was read last
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
# Types whose signatures are kept: those that `mssante_audit.network.dnssec` checks.
_SIGNED = {"A", "AAAA", "CNAME", "DNAME", "DNSKEY", "DS", "MX", "SOA"}
_NAMES = {"NS", "CNAME", "PTR", "DNAME", "MX", "SOA"}  # types whose data are names, and numbers

T = TypeVar("T")


def query_wire(qname: str, qtype: str, *, edns: bool = True, rd: bool = False) -> bytes:
    """Return a query with the id 0; with EDNS it asks for DNSSEC records (a referral then shows its DS)."""
    size = 1232  # as agreed on the DNS flag day 2020: no fragments
    options: dict[str, Any] = {"use_edns": 0 if edns else False, "want_dnssec": edns, "payload": size}
    return dns.message.make_query(qname, qtype, id=0, flags=dns.flags.RD if rd else 0, **options).to_wire()


def is_reply_to(wire: bytes, query: bytes) -> bool:
    """Whether `wire` is a reply that repeats the question of `query` (its id is the caller's to compare).

    An error without any question is accepted: servers from before EDNS answer FORMERR so. Nothing is decoded
    before this: a flood of forgeries must cost next to nothing.
    """
    if len(wire) < 12 or not wire[2] & 0x80 or wire[2] & 0x78:
        return False
    if wire[4:6] == b"\0\1":
        end = len(query) - 11 * query[11]  # without the EDNS record
        question, repeated = query[12:end], wire[12:end]
        return repeated[:-4].lower() == question[:-4].lower() and repeated[-4:] == question[-4:]
    return wire[4:6] == b"\0\0" and wire[3] & 0x0F in (1, 2, 4, 5)


class Exchange(NamedTuple):
    """What came of a question: ``reply`` (with its bytes), ``timeout``, ``unreachable`` or ``malformed``."""

    status: str
    wire: bytes = b""
    rtt: float = 0.0
    ignored: int = 0
    """Messages that bore the question's id but were not its reply."""


class _Question:
    """A question on a socket of its own: the kernel draws the port, and an error is about it alone."""

    def __init__(self, place: tuple[str, int], query: bytes, ignored: Counter[str]) -> None:
        self.place, self.query, self.ignored = place, secrets.token_bytes(2) + query[2:], ignored
        self.strangers, self.start = 0, time.perf_counter()

    def end(self, status: str, wire: bytes = b"", unread: float = 0.0) -> Exchange:
        seconds = time.perf_counter() - self.start - unread
        return Exchange(status, wire, max(0.0, seconds), self.strangers)

    def is_reply(self, wire: bytes, source: tuple[str, int]) -> bool:
        """Tell whether a message is the reply, and count one that is not."""
        same_id = wire[:2] == self.query[:2]
        if same_id and source == self.place and is_reply_to(wire, self.query):
            return True
        self.strangers += same_id
        counted_alone = source[0] in self.ignored or len(self.ignored) < 1000
        self.ignored[source[0] if counted_alone else "other"] += 1
        return False

    async def over_udp(self, sock: socket.socket) -> Exchange:
        while True:
            wire, source = await asyncio.get_running_loop().sock_recvfrom(sock, 65535)
            if self.is_reply(wire, source[:2]):
                return self.end("reply", wire, _unread(sock))
            await asyncio.sleep(0)  # a flood of forgeries keeps nobody else waiting

    async def over_tcp(self, sock: socket.socket) -> Exchange:
        loop, begun = asyncio.get_running_loop(), False

        async def read(size: int) -> bytes:
            data = b""
            while len(data) < size:
                if not (piece := await loop.sock_recv(sock, size - len(data))):
                    raise EOFError
                data += piece
            return data

        await loop.sock_connect(sock, self.place)
        await loop.sock_sendall(sock, len(self.query).to_bytes(2) + self.query)
        try:
            for _ in range(8):  # messages that are not its reply
                begun = False
                size = int.from_bytes(await read(2))
                begun = True
                if self.is_reply(wire := await read(size), self.place):
                    return self.end("reply", wire)
        except EOFError:
            return self.end("malformed" if begun else "unreachable")
        return self.end("malformed")


async def exchange(
    place: tuple[str, int], transport: str, query: bytes, timeout: float, ignored: Counter[str]
) -> Exchange:
    """Ask a question (`query_wire`), for `timeout` in all, dripping replies included; return what comes."""
    question = _Question(place, query, ignored)
    try:
        with await obtained(partial(_socket, place[0], transport)) as sock:
            if transport == "udp":
                await obtained(partial(sock.sendto, question.query, place))
            question.start = time.perf_counter()
            async with asyncio.timeout(timeout):
                return await (question.over_udp if transport == "udp" else question.over_tcp)(sock)
    except TimeoutError:
        return question.end("timeout")
    except ResourceError:
        raise
    except OSError:  # it may be that this machine has no such family
        return question.end("unreachable")


def _socket(address: str, transport: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    sock.setblocking(False)
    if transport == "udp" and sys.platform == "linux":  # ICMP errors are reported
        sock.setsockopt(*_RECVERR[family], 1)
        _unread(sock)  # from here on the kernel notes when a message comes
    return sock


def _unread(sock: socket.socket) -> float:
    """Return the seconds for which the last message lay unread, 0 where the kernel does not tell.

    A machine that is busy is slow to read, and its servers are not slow to answer.
    """
    with suppress(OSError):
        seconds, nanoseconds = struct.unpack("@2l", fcntl.ioctl(sock, _STAMP, bytes(struct.calcsize("@2l"))))
        return max(0.0, time.time() - float(seconds) - float(nanoseconds) / 1e9)
    return 0.0


async def obtained(make: Callable[[], T]) -> T:
    """Return what `make` returns, once this machine has what it takes; `ResourceError` after `SCARCE_FOR`."""
    end = time.monotonic() + SCARCE_FOR
    while True:
        try:
            return make()
        except OSError as error:
            if error.errno not in {*SCARCE, errno.EAGAIN}:
                raise
            if time.monotonic() > end:
                raise _scarce(error) from None
        await asyncio.sleep(0.005)


def _scarce(error: OSError) -> ResourceError:
    remedy = "Raise its limits (`ulimit -n`) or lower --in-flight"
    return ResourceError("this machine cannot ask any more: {}", error.strerror, remedy=remedy)


def reaches(address: str) -> bool:
    """Whether this machine has a route to `address`; nothing is sent."""
    try:
        with _socket(address, "udp") as sock:
            sock.connect((address, 53))
    except OSError as error:
        if error.errno in SCARCE - {errno.EADDRNOTAVAIL}:
            raise _scarce(error) from None
        return False
    return True


class DnsMessage(NamedTuple):
    """A decoded reply; docs/observing.md has the flags. `odd`: records that cannot be read are left out."""

    rcode: str
    flags: tuple[str, ...]
    records: tuple[Record, ...]
    odd: bool = False


def read_message(wire: bytes) -> DnsMessage | None:
    """Read a reply; an unreadable record costs only itself. ``None`` if records cannot be told apart."""
    for limit, lenient in ((MAX_RECORDS, False), (MAX_ODD, True)):
        try:
            return _read(wire, limit, lenient=lenient)
        except (MemoryError, OSError):
            raise
        except Exception:  # noqa: S112 - whatever a hostile reply provokes in a parser is the reply's fault
            continue
    return None


def _read(wire: bytes, limit: int, *, lenient: bool) -> DnsMessage:
    answers, authorities, others = struct.unpack_from("!3H", wire, 6)
    total = answers + authorities + others
    if cut := total > limit:
        answers = min(answers, limit)
        authorities = min(authorities, limit - answers)
        counts = struct.pack("!3H", answers, authorities, limit - answers - authorities)
        wire, total = wire[:6] + counts + wire[12:], limit
    options = {"one_rr_per_rrset": True, "ignore_trailing": cut, "continue_on_error": lenient}
    message = dns.message.from_wire(wire, **options)
    if not message.flags & dns.flags.TC:  # a truncated reply may end anywhere: TCP will tell
        if lenient:
            _check_ends(wire, total)
        special = (message.opt is not None) + (message.tsig is not None)
        if sum(map(len, message.sections[1:])) + len(message.errors) + special != total:
            raise ValueError("records that do not end where they say")
    signed = proven = False
    odd, records = bool(message.errors), []
    of_ds = {question.name for question in message.question if question.rdtype == DS}
    for section, sets in zip(SECTIONS, message.sections[1:], strict=True):
        for rrset in sets:
            kind = to_text(rrset.rdtype)
            if kind in ("RRSIG", "NSEC", "NSEC3"):
                signed = True  # that a zone has no DS only the NSEC of its own name proves
                proven |= kind == "NSEC3" or (kind == "NSEC" and of_ds <= {rrset.name})
                if kind != "RRSIG" or to_text(rrset.covers) not in _SIGNED or section == "additional":
                    continue
            elif rrset.rdclass != dns.rdataclass.IN:
                odd = True
                continue
            owner, data = _canonical(rrset.name.to_text()), rrset[0].to_text()
            data = " ".join(map(_canonical, data.split(" "))) if kind in _NAMES else data
            records.append(Record(section, owner, rrset.ttl, kind, data))
    rcode, set_flags = int(message.rcode()), dns.flags.to_text(message.flags).lower().split()
    flags = {flag: flag in set_flags for flag in ("aa", "tc", "ra")}
    flags |= {"edns": message.edns >= 0, "signed": signed, "cut": cut}
    flags["unproven"] = signed and not proven
    name = dns.rcode.Rcode(rcode).name if rcode in (0, 1, 2, 3, 4, 5, 9) else str(rcode)
    return DnsMessage(name, tuple(flag for flag in flags if flags[flag]), tuple(records), odd)


def _check_ends(wire: bytes, total: int) -> None:
    """Raise if a message ends before its last record does: read leniently, what is missing is odd."""
    parser = dns.wire.Parser(wire, 4)
    (questions,) = parser.get_struct("!H")
    parser.seek(12)
    for number in range(questions + total):
        parser.get_name(decompress=True)
        parser.get_bytes(4 if number < questions else parser.get_struct("!HHIH")[-1])


def _canonical(name: str) -> str:
    return (name.removesuffix(".") or ".").lower()


def classify(message: DnsMessage, zone: str | None, qname: str, qtype: str) -> tuple[str, str]:
    """Name the outcome of a reply from a server of `zone`, or a resolver (``None``), and the cut it shows.

    The cut is the owner of a referral's NS set, or of an SOA below `zone` (the server carries that zone too).
    A referral hands over a name below `zone` and at or above `qname`; an NS set of any other owner (upwards,
    sideways) is lame. The AA bit on a reply that holds nothing but such an NS set is taken for a mistake.
    """
    if "tc" in message.flags:
        return "truncated", ""
    if message.rcode not in ("NOERROR", "NXDOMAIN"):
        return ("servfail" if message.rcode == "SERVFAIL" else "refused"), ""
    answers = [r for r in message.records if r.section == "answer"]
    authority = [r for r in message.records if r.section == "authority"]
    soas = [r.owner for r in (*answers, *authority) if r.type == "SOA"]
    servers = {r.owner for r in authority if r.type == "NS"}

    def is_cut(owner: str) -> bool:
        return zone is not None and owner != zone and is_under(owner, zone) and is_under(qname, owner)

    authoritative = "aa" in message.flags
    trusted, cut = authoritative or zone is None, next(filter(is_cut, soas), "")
    outcome = "nxdomain" if message.rcode == "NXDOMAIN" else "answer" if answers else "nodata"
    if outcome == "answer":
        if not any((r.owner == qname and r.type in (qtype, "CNAME")) or r.type == "DNAME" for r in answers):
            return "malformed", ""
    elif outcome == "nodata":
        handed_over = ""
        if zone is not None and servers and not soas:
            handed_over = next(filter(is_cut, servers), "") if len(servers) == 1 else ""
            trusted = trusted and servers == {zone}
        elif zone is not None and any(is_under(o, zone) and is_under(qname, o) for o in soas):
            trusted = True  # all resolvers take a denial with its SOA, whether AA is set or not
        if message.odd and (not handed_over or authoritative):
            return "malformed", ""  # what could not be read may be what was asked for
        if handed_over:
            return "referral", handed_over
    return (outcome, cut) if trusted else ("lame", "")


def observe_exchange(
    ask: Ask, exchange: Exchange, at: datetime, attempt: int, *, edns: bool, late: bool = False
) -> Reply:
    """Turn what came of a query into a line of the observation; any bytes of a reply end in an outcome."""
    reply = Reply(at, *ask[:8], edns, ask.rd, attempt, exchange.status, "", "", "", None, exchange.ignored)
    if exchange.status != "reply":
        return reply
    reply = reply._replace(outcome="malformed", rtt=round(exchange.rtt * 1000, 2))
    if not (message := read_message(exchange.wire)):
        return reply
    outcome, cut = classify(message, ask.zone or None, ask.qname.lower(), ask.qtype)
    question = exchange.wire[12 : exchange.wire.find(0, 12)]  # lower case was asked for
    more = {"case": question != question.lower(), "late": late}
    flags = " ".join((*message.flags, *(flag for flag in more if more[flag])))
    return reply._replace(outcome=outcome, cut=cut, rcode=message.rcode, flags=flags, records=message.records)
