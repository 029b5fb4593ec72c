"""One question to one address over UDP or TCP, and the reply that belongs to it.

A reply is taken only if it comes from the address and port asked, to the port that asked, with the id and the
question asked; everything else is counted and thrown away. Where this machine has no file descriptor or
memory left, a question waits, and blames no server.
"""

import asyncio
import errno
import secrets
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import dns.flags
import dns.message

from mssante_audit.base.errors import ResourceError
from mssante_audit.observe.lines import SCARCE

MAX_SOURCES = 1000
MAX_STRANGERS = 8  # messages of one TCP connection that are not its reply, at most
SCARCE_FOR = 20.0  # seconds to wait for what this machine lacks
EDNS_SIZE = 1232  # largest UDP reply asked for, as agreed on the DNS flag day 2020: no fragments
_OPT = 11  # bytes of the one record that a query can have, its last
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
T = TypeVar("T")


def query_wire(qname: str, qtype: str, *, edns: bool = True, rd: bool = False) -> bytes:
    """Return a query with the id 0; with EDNS it asks for DNSSEC records (a referral then shows its DS)."""
    flags, edns_version = dns.flags.RD if rd else 0, 0 if edns else False
    message = dns.message.make_query(
        qname, qtype, use_edns=edns_version, want_dnssec=edns, payload=EDNS_SIZE, id=0, flags=flags
    )
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
    rtt: float = 0.0  # seconds
    ignored: int = 0  # messages that bore this question's id but were not its reply


class _Question:
    """A question on a socket of its own: the kernel draws the port, and an error is about it alone."""

    def __init__(self, place: tuple[str, int], query: bytes, ignored: Counter[str]) -> None:
        self.place, self.query, self.ignored = place, secrets.token_bytes(2) + query[2:], ignored
        self.strangers, self.start = 0, time.perf_counter()

    def end(self, status: str, wire: bytes = b"") -> Exchange:
        return Exchange(status, wire, time.perf_counter() - self.start, self.strangers)

    def is_reply(self, wire: bytes, source: tuple[str, int]) -> bool:
        """Tell whether a message is the reply, and count one that is not."""
        same_id = wire[:2] == self.query[:2]
        if same_id and source == self.place and is_reply_to(wire, self.query):
            return True
        self.strangers += same_id
        known = source[0] in self.ignored or len(self.ignored) < MAX_SOURCES
        self.ignored[source[0] if known else "other"] += 1
        return False

    async def over_udp(self, sock: socket.socket, timeout: float) -> Exchange:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Exchange] = loop.create_future()

        def receive() -> None:  # as soon as it is there, so that a busy loop slows no server down
            try:
                wire, source = sock.recvfrom(65535)
                if self.is_reply(wire, source[:2]) and not future.done():
                    future.set_result(self.end("reply", wire))
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if not future.done():
                    future.set_exception(error)

        with sock:
            loop.add_reader(sock, receive)
            try:
                await obtained(partial(sock.sendto, self.query, self.place))
                await asyncio.wait([future], timeout=timeout)
            finally:
                loop.remove_reader(sock)
        return future.result() if future.done() else self.end("timeout")

    async def over_tcp(self, sock: socket.socket, timeout: float) -> Exchange:
        writer, begun = None, False
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(sock, self.place)
                reader, writer = await asyncio.open_connection(sock=sock)
                writer.write(len(self.query).to_bytes(2) + self.query)
                for _ in range(MAX_STRANGERS):
                    begun = False
                    size = int.from_bytes(await reader.readexactly(2))
                    begun = True
                    wire = await reader.readexactly(size)
                    if self.is_reply(wire, self.place):
                        return self.end("reply", wire)
        except EOFError:
            return self.end("malformed" if begun else "unreachable")
        finally:
            (writer or sock).close()
        return self.end("malformed")


async def exchange(
    place: tuple[str, int], transport: str, query: bytes, timeout: float, ignored: Counter[str]
) -> Exchange:
    """Ask an address and port a question (`query_wire`) and return what comes of it.

    `timeout` covers the whole, dripping replies included; `ignored` counts messages that answer nothing
    asked, by where they came from.
    """
    question = _Question(place, query, ignored)
    try:
        sock = await obtained(partial(_socket, place[0], transport))
        question.start = time.perf_counter()
        return await (question.over_udp if transport == "udp" else question.over_tcp)(sock, timeout)
    except TimeoutError:
        return question.end("timeout")
    except ResourceError:
        raise
    except OSError:  # it may be that this machine has no such family
        return question.end("unreachable")


def _socket(address: str, transport: str) -> socket.socket:
    sock = socket.socket(_family(address), socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    sock.setblocking(False)
    if transport == "udp" and sys.platform == "linux":  # ICMP errors are told
        sock.setsockopt(*_RECVERR[sock.family], 1)
    return sock


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
    remedy = "Raise its limits (`ulimit -n`) or lower --in-flight"
    return ResourceError(f"this machine cannot ask any more: {error.strerror}", remedy=remedy)


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
