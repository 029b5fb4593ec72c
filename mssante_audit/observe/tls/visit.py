"""One visit to a mail server: EHLO, STARTTLS, the certificates that it presents, EHLO, QUIT. Never a mail.

A visit is bounded in time and bytes whatever the server does: each step has a deadline of its own, a reply
has a greatest size, and so has what TLS takes before its handshake is done.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.settings import ObserveTls

MAX_REPLY = 16 << 10
"""Bytes of one SMTP reply (RFC 5321, 4.5.3.1.5 asks for lines of 512)."""
MAX_HANDSHAKE = 512 << 10
"""Bytes that TLS is given before its handshake is done."""
MAX_SHOWN = 200
"""Printable characters kept of what a server writes."""

_CODE = re.compile(rb"([2-5][0-9]{2})([ -]|$)")
_RECORDS = range(20, 24)
"""First bytes of TLS records (RFC 8446, 5.1)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a visit."""

    outcome: str
    detail: str = ""
    """What was met: a reply, an alert, an error; printable."""
    banner: str = ""
    protocol: str = ""
    cipher: str = ""
    demanded: bool = False
    """Whether the server asked for a client's certificate."""
    chain: tuple[bytes, ...] = ()
    """DER of the certificates in the order in which they were sent."""
    seconds: float = 0.0


class _Ended(Exception):  # noqa: N818 - an end is no error
    """The visit ends here, with an outcome."""

    def __init__(self, outcome: str, detail: str) -> None:
        self.outcome, self.detail = outcome, detail


class Offers(NamedTuple):
    """What servers are offered, the same to all of a run."""

    all: SSL.Context
    oldest: SSL.Context
    """TLS 1.2 and older only: some servers end a handshake that offers more."""


async def visit(
    address: str, port: int, name: str, settings: ObserveTls, offers: Offers, *, oldest: bool = False
) -> Visit:
    """Visit a server, its `name` for SNI ("" sends none); `oldest`: whether to offer what is old only."""
    start = time.monotonic()
    seen = await _visit(address, port, name, settings, offers.oldest if oldest else offers.all)
    return replace(seen, detail=shown(seen.detail), seconds=round(time.monotonic() - start, 3))


async def _visit(address: str, port: int, name: str, settings: ObserveTls, offer: SSL.Context) -> Visit:
    try:
        talk = _Talk(*await _connect(address, port, settings), settings)
    except _Ended as ended:
        return Visit(ended.outcome, ended.detail)
    try:
        await talk.greet()
        if not await talk.offers_starttls():
            await talk.leave()
            return replace(talk.seen(), outcome="no-starttls", detail="EHLO without STARTTLS")
        await talk.start_tls(name, offer)
        return replace(talk.seen(), outcome="presented", detail=await talk.afterwards())
    except _Ended as ended:
        if ended.outcome in ("busy", "refused"):
            await talk.leave()
        seen = talk.seen()
        # One that demands a certificate has proved its own key before it turns us away.
        proved = ended.outcome == "handshake-failed" and seen.demanded and seen.chain
        return replace(seen, outcome="presented" if proved else ended.outcome, detail=ended.detail)
    finally:
        await talk.close()


async def _connect(
    address: str, port: int, settings: ObserveTls
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    source = (settings.source_address, 0) if settings.source_address else None
    if source and (":" in address) != (":" in source[0]):
        raise _Ended("no-source", "not visited: no source address of that family")
    try:
        async with asyncio.timeout(settings.timeout):
            return await asyncio.open_connection(address, port, local_addr=source, limit=MAX_REPLY)
    except TimeoutError:
        raise _Ended("silent", "no answer to the connection") from None
    except ConnectionRefusedError:
        raise _Ended("refused", "nobody listens") from None
    except OSError as error:
        raise _Ended("silent", error.strerror or "cannot be reached") from None


class _Talk:
    """A conversation with a server; each step raises `_Ended` where it is the last."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, settings: ObserveTls
    ) -> None:
        self._reader, self._writer, self._settings = reader, writer, settings
        self._shaken: SSL.Connection | None = None
        """With its handshake begun."""
        self._tls: SSL.Connection | None = None
        """With its handshake done: what is said goes through it."""
        self._buffer = b""
        self._banner = ""
        self.leaf: crypto.X509 | None = None
        """The server's own certificate, which is all that is left of some handshakes."""
        self.demanded = False
        """Whether the server asks for a client's certificate."""

    async def greet(self) -> None:
        code, lines = await self._reply("no greeting")
        self._banner = shown(lines[0].decode("utf-8", "replace"))
        self._expect(220, code, lines)

    async def offers_starttls(self) -> bool:
        code, lines = await self._ask(f"EHLO {self._settings.helo}", "no reply to EHLO")
        self._expect(250, code, lines)
        return any(line[4:].strip().upper() == b"STARTTLS" for line in lines)

    async def start_tls(self, name: str, offer: SSL.Context) -> None:
        code, lines = await self._ask("STARTTLS", "no reply to STARTTLS")
        self._expect(220, code, lines)
        if self._buffer:
            raise _Ended("plaintext-injected", self._buffer.decode("utf-8", "replace"))
        self._shaken = SSL.Connection(offer, None)
        self._shaken.set_app_data(self)
        if name:
            self._shaken.set_tlsext_host_name(name.encode("ascii", "ignore"))
        self._shaken.set_connect_state()
        await self._handshake(self._shaken)
        self._tls = self._shaken

    async def afterwards(self) -> str:
        """Say EHLO and QUIT over TLS; return what a server says that wants no more to do with us."""
        try:
            code, lines = await self._ask(f"EHLO {self._settings.helo}", "no reply to EHLO over TLS")
        except _Ended as ended:
            return f"over TLS: {ended.detail}"
        await self.leave()
        return "" if code == 250 else lines[0].decode("utf-8", "replace")

    def seen(self) -> Visit:
        """Return what was seen of the server, whatever the outcome."""
        tls = self._shaken
        chain = (tls and tls.get_peer_cert_chain()) or ([self.leaf] if self.leaf else [])
        return Visit(
            "",
            banner=self._banner,
            protocol=tls.get_protocol_version_name() if tls and chain else "",
            cipher=(tls.get_cipher_name() or "") if tls and chain else "",
            demanded=self.demanded,
            chain=tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in chain),
        )

    async def close(self) -> None:
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def leave(self) -> None:
        """Say QUIT, to whom still listens."""
        with suppress(_Ended):
            await self._write(b"QUIT\r\n")

    async def _handshake(self, tls: SSL.Connection) -> None:
        taken, until = 0, time.monotonic() + self._settings.timeout
        while True:
            try:
                tls.do_handshake()
            except SSL.WantReadError:
                await self._send_out(tls)
                data = await self._read_raw("no reply to the handshake", until, begun=taken > 0)
                if not data:
                    raise _Ended("handshake-failed", "the connection was closed") from None
                if not taken and data[0] not in _RECORDS:
                    raise _Ended("plaintext-injected", data.decode("utf-8", "replace")) from None
                taken += len(data)
                if taken > MAX_HANDSHAKE:
                    raise _Ended("garbage", "the handshake has no end") from None
                tls.bio_write(data)
            except SSL.Error as error:
                with suppress(_Ended):
                    await self._send_out(tls)
                raise _Ended("handshake-failed", _alert(error)) from None
            else:
                return  # what is left to send goes with the EHLO

    async def _send_out(self, tls: SSL.Connection) -> None:
        with suppress(SSL.WantReadError):
            while True:
                await self._write_raw(tls.bio_read(1 << 16))

    async def _ask(self, command: str, silence: str) -> tuple[int, list[bytes]]:
        await self._write(f"{command}\r\n".encode())
        return await self._reply(silence)

    async def _reply(self, silence: str) -> tuple[int, list[bytes]]:
        """Read one reply: its code and its lines."""
        lines: list[bytes] = []
        size = 0
        deadline = time.monotonic() + self._settings.timeout
        while True:
            while b"\n" not in self._buffer:
                data = await self._read(silence, deadline, begun=bool(self._buffer or lines))
                if not data:
                    raise _Ended("refused", "the connection was closed")
                self._buffer += data
                if len(self._buffer) > MAX_REPLY:
                    raise _Ended("garbage", self._buffer.decode("utf-8", "replace"))
            line, self._buffer = self._buffer.split(b"\n", 1)
            size += len(line) + 1
            line = line.rstrip(b"\r")
            told = _CODE.match(line)
            if not told or size > MAX_REPLY:
                raise _Ended("garbage", line.decode("utf-8", "replace"))
            lines.append(line)
            if told[2] != b"-":
                return int(told[1]), lines

    async def _read(self, silence: str, until: float, *, begun: bool = False) -> bytes:
        """Return bytes that came, decrypted once TLS is on; none at the end of the connection."""
        while True:
            if (tls := self._tls) is not None:
                try:
                    return tls.recv(1 << 14)
                except SSL.WantReadError:
                    await self._send_out(tls)
                except SSL.ZeroReturnError:
                    return b""
                except SSL.Error as error:
                    raise _Ended("refused", _alert(error)) from None
            data = await self._read_raw(silence, until, begun=begun)
            if tls is None or not data:
                return data
            tls.bio_write(data)

    async def _read_raw(self, silence: str, until: float, *, begun: bool) -> bytes:
        # Cheaper than asyncio.timeout; whoever is late is not read again.
        late = asyncio.get_running_loop().call_at(until, self._reader.set_exception, TimeoutError())
        try:
            return await self._reader.read(1 << 14)
        except TimeoutError:
            raise _Ended(*(("slow", "a reply without end") if begun else ("silent", silence))) from None
        except OSError as error:
            raise _Ended("refused", error.strerror or "the connection was lost") from None
        finally:
            late.cancel()

    async def _write(self, data: bytes) -> None:
        if self._tls is None:
            await self._write_raw(data)
            return
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            raise _Ended("refused", _alert(error)) from None
        await self._send_out(self._tls)

    async def _write_raw(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            if self._writer.transport.get_write_buffer_size():  # not all went out at once
                async with asyncio.timeout(self._settings.timeout):
                    await self._writer.drain()
        except TimeoutError:
            raise _Ended("slow", "it takes nothing that is sent") from None
        except OSError as error:
            raise _Ended("refused", error.strerror or "the connection was lost") from None

    def _expect(self, wanted: int, code: int, lines: list[bytes]) -> None:
        if code != wanted:
            outcome = {4: "busy", 5: "refused"}.get(code // 100, "garbage")
            raise _Ended(outcome, lines[0].decode("utf-8", "replace"))


def offers_of(settings: ObserveTls) -> Offers:
    """Return what to offer servers: what others refuse, too, for it is here to see it, and trusts nobody.

    Raises
    ------
    ParameterError
        If a client's certificate or its key is missing, cannot be read, or they are not of each other; or
        the address to come from is none of this machine.
    """
    _check_source(settings.source_address)
    own = (settings.client_certificate, settings.client_key)
    if None in own and own != (None, None):
        raise ParameterError("a client's certificate needs its key, and a key its certificate")
    try:
        return Offers(_context(settings), _context(settings, SSL.TLS1_2_VERSION))
    except (SSL.Error, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = _alert(error) if isinstance(error, SSL.Error) else getattr(error, "strerror", None) or error
        raise ParameterError(
            f"the client's certificate cannot be used ({reason})",
            file=str(settings.client_certificate),
            remedy="Give a certificate and its key, both PEM, the key without a password",
        ) from None


def _check_source(address: str) -> None:
    """Refuse an address that one cannot come from: else every server would seem silent."""
    if not address:
        return
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as own:
            own.bind((address, 0))
    except OSError as error:
        told = f"{address!r} ({(error.strerror or 'no such address').lower()})"
        raise ParameterError(f"source_address is no address of this machine: {told}") from None


def _context(settings: ObserveTls, newest: int | None = None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    if newest:
        context.set_max_proto_version(newest)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_verify(SSL.VERIFY_PEER, _keep)
    context.set_info_callback(_listen)
    if settings.client_certificate and settings.client_key:
        context.use_certificate_chain_file(str(settings.client_certificate))
        key = load_pem_private_key(settings.client_key.read_bytes(), None)
        context.use_privatekey(key)  # type: ignore[arg-type]
        context.check_privatekey()
    return context


def _keep(tls: SSL.Connection, one: crypto.X509, _error: int, depth: int, _ok: int) -> bool:
    if depth == 0:
        tls.get_app_data().leaf = one
    return True


def _listen(tls: SSL.Connection, _where: int, _value: int) -> None:
    if b"read server certificate request" in tls.get_state_string():
        tls.get_app_data().demanded = True


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """Return what is kept of others' own words: printable, and no more than a line.

    >>> shown("220 mx" + chr(27) + "[31m ESMTP")
    '220 mx\N{REPLACEMENT CHARACTER}[31m ESMTP'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])


def _alert(error: SSL.Error) -> str:
    """Return what OpenSSL says of an error: the alert received, or what was wrong."""
    told = [reason for entry in error.args[:1] if isinstance(entry, list) for *_, reason in entry if reason]
    return told[-1] if told else "the connection was closed"
