"""One question to one address over UDP or TCP, and the reply that belongs to it.

A UDP reply is taken only if it comes from the address and port asked, to the port that asked, with the id and
the question asked; everything else is counted and thrown away. A reply after the time-out is told all the
same. Where this machine has no file descriptor or memory left, a question waits, and blames no server.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import secrets
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

import dns.flags
import dns.message

from mssante_audit.base.errors import ResourceError
from mssante_audit.observe.lines import SCARCE

LINGERING = max(1, min(256, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8))
"""Sockets kept open for replies after the time-out, at most."""
MAX_SOURCES = 1000
SCARCE_FOR = 20.0
"""Seconds to wait for what this machine lacks."""
EDNS_SIZE = 1232
"""Largest UDP reply asked for, as agreed on the DNS flag day 2020: no fragments."""
_OPT = 11
"""Bytes of the one record that a query can have, its last."""
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
T = TypeVar("T")


def query_wire(qname: str, qtype: str, *, edns: bool = True, rd: bool = False) -> bytes:
    """Return a query with the id 0; with EDNS it asks for DNSSEC records (a referral then shows its DS)."""
    message = dns.message.make_query(
        qname, qtype, use_edns=0 if edns else False, want_dnssec=edns, payload=EDNS_SIZE, id=0,
        flags=dns.flags.RD if rd else 0,
    )  # fmt: skip
    return message.to_wire()


def is_reply_to(wire: bytes, query: bytes) -> bool:
    """Whether `wire` is a reply that repeats the question of `query` (its id is the caller's to compare).

    An error without any question is accepted: servers from before EDNS answer FORMERR so. Nothing is decoded
    before this: a flood of forgeries must cost next to nothing.
    """
    if len(wire) < 12 or not wire[2] & 0x80 or wire[2] & 0x78:
        return False
    if wire[4:6] == b"\0\1":
        end = len(query) - _OPT * query[11]
        asked, given = query[12:end], wire[12:end]
        return given[:-4].lower() == asked[:-4].lower() and given[-4:] == asked[-4:]
    return wire[4:6] == b"\0\0" and wire[3] & 0x0F in (1, 2, 4, 5)


class Exchange(NamedTuple):
    """What came of a question: ``reply`` (with its bytes), ``timeout``, ``unreachable`` or ``malformed``."""

    status: str
    wire: bytes = b""
    rtt: float = 0.0
    """Seconds."""
    ignored: int = 0
    """Messages that bore this question's id but were not its reply."""


@dataclass
class Ignored:
    """Messages thrown away: `late` ones were replies once; the others are counted by where they came from."""

    late: int = 0
    sources: Counter[str] = field(default_factory=Counter)

    def count(self, source: str) -> None:
        """Count one message that answers nothing asked."""
        self.sources[source if source in self.sources or len(self.sources) < MAX_SOURCES else "other"] += 1


class _Question:
    """A question on a socket of its own: the port is drawn by the kernel, and an error is about it alone."""

    def __init__(self, sock: socket.socket, place: tuple[str, int], query: bytes, ignored: Ignored) -> None:
        self.sock, self.place, self.query, self._ignored = sock, place, query, ignored
        self.future: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self.strangers = 0
        self._sent = time.perf_counter()

    def close(self) -> None:
        if self.sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self.sock)
            self.sock.close()

    def end(self, status: str, wire: bytes = b"") -> Exchange:
        exchange = Exchange(status, wire, time.perf_counter() - self._sent, self.strangers)
        if not self.future.done():
            self.future.set_result(exchange)
        return exchange

    def receive(self, late: Callable[[Exchange], None]) -> None:
        """Read one message; `late` is told of the reply that comes after the time-out."""
        try:
            wire, source = self.sock.recvfrom(65535)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.end("unreachable")
            self.close()
            return
        same_id = wire[:2] == self.query[:2]
        if same_id and source[:2] == self.place and is_reply_to(wire, self.query):
            timed_out = self.future.done()
            exchange = self.end("reply", wire)
            self.close()
            if timed_out:
                self._ignored.late += 1
                late(exchange)
        else:
            self._ignored.count(source[0])
            self.strangers += same_id


class Udp:
    """Ask over UDP the servers' `port`; count what is thrown away in `ignored`.

    `late` is called with a question's tag and its reply when that comes after the time-out.
    """

    def __init__(self, port: int, ignored: Ignored, late: Callable[[Any, Exchange], None]) -> None:
        self._port, self._ignored, self._late = port, ignored, late
        self._lingering: deque[_Question] = deque()

    async def ask(self, address: str, query: bytes, timeout: float, tag: Any) -> Exchange:
        """Send a query (`query_wire`) and return what comes of it."""
        place, query = (address, self._port), secrets.token_bytes(2) + query[2:]
        try:
            sock = await obtained(partial(_datagrams, _family(address)))
        except ResourceError:
            raise
        except OSError:  # this machine has no such family
            return Exchange("unreachable")
        question = _Question(sock, place, query, self._ignored)
        asyncio.get_running_loop().add_reader(sock, question.receive, partial(self._late, tag))
        try:
            await obtained(partial(sock.sendto, query, place))
            await asyncio.wait([question.future], timeout=timeout)
        except ResourceError:
            raise
        except OSError:
            question.end("unreachable")
        finally:
            if question.future.done():
                question.close()
            else:
                self._linger(question)
        return question.future.result() if question.future.done() else question.end("timeout")

    def _linger(self, question: _Question) -> None:
        self._lingering.append(question)
        if len(self._lingering) > LINGERING:
            self._lingering.popleft().close()

    def close(self) -> None:
        """Close every socket; late replies are not waited for any more."""
        while self._lingering:
            self._lingering.popleft().close()


def _datagrams(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sys.platform == "linux":  # ICMP errors are told
            sock.setsockopt(*_RECVERR[family], 1)
        sock.bind(("" if family == socket.AF_INET else "::", 0))
    except OSError:
        sock.close()
        raise
    return sock


async def ask_tcp(address: str, port: int, query: bytes, timeout: float, ignored: Ignored) -> Exchange:
    """Ask over a TCP connection of its own; `timeout` covers the whole, dripping replies included."""
    strangers, begun = 0, False
    query = secrets.token_bytes(2) + query[2:]
    try:
        sock = await obtained(lambda: socket.socket(_family(address), socket.SOCK_STREAM))
    except ResourceError:
        raise
    except OSError:  # this machine has no such family
        return Exchange("unreachable")
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
    """Return what `make` returns, once this machine has what it takes; `ResourceError` after `SCARCE_FOR`."""
    end = time.monotonic() + SCARCE_FOR
    while True:
        try:
            return make()
        except OSError as error:
            if error.errno not in {*SCARCE, errno.EAGAIN}:
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
        if error.errno in SCARCE - {errno.EADDRNOTAVAIL}:
            raise scarce(error) from None
        return False
    return True
