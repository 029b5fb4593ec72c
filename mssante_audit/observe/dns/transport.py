"""One question to one address over UDP or TCP, and the reply that belongs to it.

A UDP reply is taken only if it comes from the address and port asked, to the port that asked, with the id and
the question asked. Everything else is counted and thrown away: it is lost, or an attempt at spoofing. A
reply that comes after the time-out is a reply all the same: whoever asked is told of it.
Sockets are shared by many questions (a socket a question costs more than the question) but not for long: each
serves `USES` questions, on a port that the kernel draws, then makes room for another.
Where this machine has no file descriptor or memory left, a question waits for it, and blames no server.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import dns.flags
import dns.message
import dns.name

from mssante_audit.base.errors import ResourceError

SOCKETS = max(1, min(8, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 16))
"""Sockets for UDP of each family, at most: connections need descriptors too."""
USES = 500
MAX_SOURCES = 1000
SCARCE_FOR = 20.0
"""Seconds to wait for what this machine lacks."""
_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
T = TypeVar("T")


EDNS_SIZE = 1232
"""Largest UDP reply asked for, as agreed on the DNS flag day 2020: no fragments."""
_OPT = 11
"""Bytes of the one record that a query can have, its last."""


@lru_cache(4096)
def query_wire(qname: str, qtype: str, *, edns: bool = True, rd: bool = False) -> bytes:
    """Return a query with the id 0; with EDNS it asks for DNSSEC records (a referral then shows its DS)."""
    about_root: bytes = _query(qtype, edns=edns, rd=rd)
    return about_root[:12] + (dns.name.from_text(qname).to_wire() or b"") + about_root[13:]


@lru_cache
def _query(qtype: str, *, edns: bool, rd: bool) -> bytes:
    """Return a query about the root, whose name is one byte: making a message costs ten times a name."""
    message = dns.message.make_query(
        ".", qtype, use_edns=0 if edns else False, want_dnssec=edns, payload=EDNS_SIZE, id=0,
        flags=dns.flags.RD if rd else 0,
    )  # fmt: skip
    return message.to_wire()


def is_reply_to(wire: bytes, query: bytes) -> bool:
    """Whether `wire` is a reply that repeats the question of `query` (its id is the caller's to compare).

    An error without any question is accepted, as dnspython does: servers from before EDNS answer FORMERR so.
    This is looked at before anything is decoded: a flood of forgeries must cost next to nothing.
    """
    if len(wire) < 12 or not wire[2] & 0x80 or wire[2] & 0x78:
        return False
    if wire[4:6] == b"\0\1":
        end = len(query) - _OPT * query[11]
        asked, given = query[12:end], wire[12:end]
        return given == asked or (given[:-4].lower() == asked[:-4].lower() and given[-4:] == asked[-4:])
    return wire[4:6] == b"\0\0" and wire[3] & 0x0F in (1, 2, 4, 5)


class Exchange(NamedTuple):
    """What came of a question: ``reply`` (with its bytes), ``timeout``, ``unreachable`` or ``malformed``."""

    status: str
    wire: bytes
    rtt: float
    """Seconds."""
    ignored: int
    """Messages that bore this question's id but were not its reply."""


@dataclass
class Ignored:
    """Messages thrown away: `late` ones were replies once; the others are counted by where they came from."""

    late: int = 0
    sources: Counter[str] = field(default_factory=Counter)

    def count(self, source: str) -> None:
        """Count one message that answers nothing asked."""
        self.sources[source if source in self.sources or len(self.sources) < MAX_SOURCES else "other"] += 1


@dataclass(slots=True)
class _Asked:
    address: str
    query: bytes
    future: asyncio.Future[Exchange]
    sent: float
    tag: Any
    timer: asyncio.TimerHandle | None = None
    ignored: int = 0

    def end(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class _Port:
    """One UDP socket and the questions sent from it, by id."""

    def __init__(self, family: socket.AddressFamily, on_ready: Callable[[_Port], None]) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if sys.platform == "linux":  # an ICMP error then comes with the query it answers
            self.sock.setsockopt(*_RECVERR[family], 1)
        self.sock.bind(("" if family == socket.AF_INET else "::", 0))
        self.asked: dict[int, _Asked] = {}
        self.flying = 0
        self.uses = 0
        asyncio.get_running_loop().add_reader(self.sock, on_ready, self)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()


class Udp:
    """Ask over UDP the servers' `port`; count what is thrown away in `ignored`.

    `late` is called with a question's tag and its reply when that comes after the time-out.
    """

    def __init__(self, port: int, ignored: Ignored, late: Callable[[Any, Exchange], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._port, self._ignored, self._late = port, ignored, late
        self._ports: dict[socket.AddressFamily, list[_Port]] = {}
        self._retired: set[_Port] = set()

    async def ask(self, address: str, query: bytes, timeout: float, tag: Any) -> Exchange:
        """Send a query (`query_wire`) and return what comes of it."""
        try:
            port = await self._pick(_family(address))
        except OSError:  # this machine has no such family
            return Exchange("unreachable", b"", 0.0, 0)
        ident = secrets.randbits(16)
        while ident in port.asked:
            ident = secrets.randbits(16)
        asked = _Asked(address, query, self._loop.create_future(), time.perf_counter(), tag)
        port.asked[ident] = asked
        port.uses += 1
        port.flying += 1
        await self._send(port, ident, asked, ident.to_bytes(2) + query[2:])
        if not asked.future.done():
            asked.timer = self._loop.call_later(timeout, self._finish, port, ident, asked, "timeout", b"")
        return await asked.future

    def close(self) -> None:
        """Close every socket; questions still unanswered are abandoned."""
        for port in (*self._retired, *(p for ports in self._ports.values() for p in ports)):
            for asked in port.asked.values():
                asked.end()
            port.close()
        self._ports.clear()
        self._retired.clear()

    async def _pick(self, family: socket.AddressFamily) -> _Port:
        ports = self._ports.setdefault(family, [])
        chosen = secrets.randbelow(SOCKETS)
        if chosen < len(ports) and ports[chosen].uses < USES:
            return ports[chosen]
        try:
            fresh = _Port(family, self._receive)
        except OSError as error:
            if error.errno not in _SCARCE:
                raise
            if not ports:
                fresh = await obtained(lambda: _Port(family, self._receive))
            else:
                return secrets.choice(ports)
        if chosen < len(ports):
            port, ports[chosen] = ports[chosen], fresh
            self._retired.add(port)
            self._retire(port)
        else:
            ports.append(fresh)
        return fresh

    def _retire(self, port: _Port) -> None:
        if not port.flying and port in self._retired:
            self._retired.discard(port)
            port.close()

    async def _send(self, port: _Port, ident: int, asked: _Asked, wire: bytes) -> None:
        def send() -> None:
            for _ in range(5):
                try:
                    port.sock.sendto(wire, (asked.address, self._port))
                    return
                except ConnectionRefusedError:  # an earlier question's error, told to this one
                    self._read_errors(port)
            raise OSError(errno.ECONNREFUSED, "")

        try:
            await obtained(send)
        except OSError:
            self._finish(port, ident, asked, "unreachable", b"")

    def _finish(self, port: _Port, ident: int, asked: _Asked, status: str, wire: bytes) -> None:
        if status != "timeout" or asked.future.cancelled():  # a late reply must be told from a spoofed one
            port.asked.pop(ident, None)
        port.flying -= 1
        asked.end()
        if not asked.future.done():
            asked.future.set_result(Exchange(status, wire, time.perf_counter() - asked.sent, asked.ignored))
        self._retire(port)

    def _receive(self, port: _Port) -> None:
        for _ in range(64):  # then let others have the loop
            try:
                wire, source = port.sock.recvfrom(65535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._read_errors(port)
            else:
                self._match(port, wire, source)
            if port.sock.fileno() < 0:  # retired: that was its last reply
                return

    def _match(self, port: _Port, wire: bytes, source: Any) -> None:
        ident = int.from_bytes(wire[:2], "big")
        asked = port.asked.get(ident)
        if (
            asked is not None
            and source[0] == asked.address
            and source[1] == self._port
            and is_reply_to(wire, asked.query)
        ):
            if asked.future.done():
                self._ignored.late += 1
                port.asked.pop(ident, None)
                elapsed = time.perf_counter() - asked.sent
                self._late(asked.tag, Exchange("reply", wire, elapsed, asked.ignored))
            else:
                self._finish(port, ident, asked, "reply", wire)
            return
        self._ignored.count(source[0])
        if asked is not None:
            asked.ignored += 1

    def _read_errors(self, port: _Port) -> None:
        if sys.platform != "linux":
            return
        for _ in range(64):
            try:
                wire, _, _, source = port.sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            ident = int.from_bytes(wire[:2], "big")
            asked = port.asked.get(ident)
            if asked is not None and source and source[0] == asked.address and not asked.future.done():
                self._finish(port, ident, asked, "unreachable", b"")
                if port.sock.fileno() < 0:
                    return


async def ask_tcp(address: str, port: int, query: bytes, timeout: float, ignored: Ignored) -> Exchange:
    """Ask over a TCP connection of its own; `timeout` covers the whole, dripping replies included."""
    strangers, begun = 0, False
    query = secrets.token_bytes(2) + query[2:]
    try:
        sock = await obtained(lambda: socket.socket(_family(address), socket.SOCK_STREAM))
    except OSError:  # this machine has no such family
        return Exchange("unreachable", b"", 0.0, 0)
    sock.setblocking(False)
    writer: asyncio.StreamWriter | None = None
    start = time.perf_counter()

    def end(status: str, wire: bytes = b"") -> Exchange:
        return Exchange(status, wire, time.perf_counter() - start, strangers)

    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.write(len(query).to_bytes(2) + query)
            while strangers < 8:
                begun = False
                size = int.from_bytes(await reader.readexactly(2))
                begun = True
                wire = await reader.readexactly(size)
                if wire[:2] == query[:2] and is_reply_to(wire, query):
                    return end("reply", wire)
                ignored.count(address)
                strangers += 1
    except TimeoutError:
        return end("timeout")
    except (OSError, EOFError):
        return end("malformed" if begun else "unreachable")
    finally:
        (writer or sock).close()
    return end("malformed")


async def obtained(make: Callable[[], T]) -> T:
    """Return what `make` returns, once this machine has the descriptor, the memory or the room for it.

    Raises
    ------
    ResourceError
        If it has not for `SCARCE_FOR` seconds.
    """
    end = time.monotonic() + SCARCE_FOR
    while True:
        try:
            return make()
        except OSError as error:
            if error.errno not in {*_SCARCE, errno.EAGAIN}:
                raise
            if time.monotonic() > end:
                raise scarce(error) from None
        await asyncio.sleep(0.005)


def scarce(error: OSError) -> ResourceError:
    """Return what says that this machine lacks something to ask with."""
    return ResourceError(
        f"this machine cannot ask any more: {error.strerror}",
        remedy="Raise its limits (`ulimit -n`) or lower --in-flight",
    )


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def reaches(address: str) -> bool:
    """Whether this machine has a route to `address`; nothing is sent."""
    try:
        with socket.socket(_family(address), socket.SOCK_DGRAM) as sock:
            sock.connect((address, 53))
    except OSError as error:
        if error.errno in _SCARCE - {errno.EADDRNOTAVAIL}:
            raise scarce(error) from None
        return False
    return True
