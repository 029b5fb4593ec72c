"""One visit to a mail server: EHLO, STARTTLS, the certificates that it presents, EHLO, QUIT. Never a mail.

A visit is bounded in time and bytes whatever the server does: each step has a deadline of its own, a reply
has a greatest size, and so has what TLS takes before its handshake is done.
"""

import encodings.idna  # noqa: F401 - connections need it; later there may be no descriptor left
import errno
import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from mssante_audit.base.errors import ParameterError, ResourceError
from mssante_audit.base.reading import open_regular, read_bytes
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.lines import SCARCE

MAX_REPLY = 16 << 10  # bytes of one SMTP reply (RFC 5321, 4.5.3.1.5 asks for lines of 512)
MAX_HANDSHAKE = 512 << 10
MAX_SHOWN = 200  # printable characters kept of what a server writes
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENETUNREACH)


@dataclass(slots=True)
class Visit:
    """What came of a visit: `detail` is what was met, printable; `sni` the name asked for by SNI."""

    outcome: str
    detail: str = ""
    banner: str = ""
    protocol: str = ""
    cipher: str = ""
    demanded: bool = False
    chain: tuple[bytes, ...] = ()
    seconds: float = 0.0
    sni: str = ""


class _Ended(Exception):  # noqa: N818 - an end is no error
    def __init__(self, outcome: str, detail: str | bytes) -> None:
        super().__init__(outcome, detail if isinstance(detail, str) else detail.decode("utf-8", "replace"))


# All versions; and TLS 1.2 and older, for servers that end a handshake that offers more.
Offers = tuple[SSL.Context, SSL.Context]


def visit(
    address: str, port: int, sni: str, settings: ObserveTls, offers: Offers, *, oldest: bool = False
) -> Visit:
    """Visit a server; `sni` is the name to ask for ("" as Postfix does: none), `oldest` what to offer."""
    start = time.monotonic()
    try:
        with _connect(address, port, settings) as sock:
            result = _Talk(sock, settings).converse(sni, offers[oldest])
    except _Ended as ended:
        result = Visit(*ended.args)
    seconds = round(time.monotonic() - start, 3)
    return replace(result, detail=shown(result.detail), seconds=seconds, sni=sni)


def _connect(address: str, port: int, settings: ObserveTls) -> socket.socket:
    source = settings.source_address
    if source and (":" in address) != (":" in source):
        raise _Ended("no-source", "not visited: no source address of that family")
    until, source_address = time.monotonic() + settings.timeout, (source, 0) if source else None
    while True:
        try:
            return socket.create_connection((address, port), settings.timeout, source_address)
        except TimeoutError:
            raise _Ended("silent", "no answer to the connection") from None
        except ConnectionRefusedError:
            raise _Ended("refused", "nobody listens") from None
        except OSError as error:
            if error.errno in _NO_IPV6 and ":" in address:
                raise _Ended("no-source", "not visited: no IPv6 on this machine") from None
            if error.errno not in SCARCE:
                raise _Ended("silent", error.strerror or "cannot be reached") from None
            if time.monotonic() > until:
                message = f"this machine has nothing left to visit servers with ({error.strerror})"
                remedy = "Raise the limit (ulimit -n), or lower --in-flight, then go on with --resume"
                raise ResourceError(message, remedy=remedy) from None
            time.sleep(0.2)


class _Talk:
    """A conversation with a server; each step raises `_Ended` where it is the last."""

    def __init__(self, sock: socket.socket, settings: ObserveTls) -> None:
        self._sock, self._settings = sock, settings
        self._tls: SSL.Connection | None = None  # once the handshake is done: all goes through it
        self._buffer = b""
        self._until, self._silence = 0.0, ""  # of the step under way: its end, and what to say of silence
        self.seen = Visit("")

    def converse(self, sni: str, offer: SSL.Context) -> Visit:
        hello = f"EHLO {self._settings.helo}"
        try:
            self._ask("", "no greeting")
            _, lines = self._ask(hello, "no reply to EHLO")
            if not any(re.match(r"[ \t=]*STARTTLS([ \t=]|$)", line[4:], re.I | re.A) for line in lines):
                self._leave()
                return replace(self.seen, outcome="no-starttls", detail="EHLO without STARTTLS")
            self._ask("STARTTLS", "no reply to STARTTLS")
            if self._buffer:
                raise _Ended("plaintext-injected", self._buffer)
            self._start_tls(sni, offer)
        except _Ended as ended:
            outcome, detail = ended.args
            if outcome in ("busy", "refused"):
                self._leave()
            # One that demands a certificate has proved its own key before it turns us away, with TLS 1.2.
            if self.seen.demanded and self.seen.chain and self.seen.protocol != "TLSv1.3":
                return replace(self.seen, outcome="presented", detail=detail)
            return Visit(outcome, detail, self.seen.banner, demanded=self.seen.demanded)
        try:
            deciding, _ = self._ask(hello, "no reply to EHLO over TLS", ending=False)
            self._leave()
            detail = "" if deciding[0] == "2" else deciding
        except (_Ended, SSL.Error) as error:
            detail = f"over TLS: {error.args[1] if isinstance(error, _Ended) else _alert(error)}"
        return replace(self.seen, outcome="presented", detail=detail)

    def _leave(self) -> None:
        with suppress(_Ended, SSL.Error):
            self._send(b"QUIT\r\n")

    def _start_tls(self, sni: str, offer: SSL.Context) -> None:
        tls, finished, received = SSL.Connection(offer, None), False, 0
        tls.set_app_data(self.seen)
        if sni:
            tls.set_tlsext_host_name(sni.encode("ascii", "ignore"))
        tls.set_connect_state()
        self._until, self._silence = time.monotonic() + self._settings.timeout, "no reply to the handshake"
        while True:
            try:
                with suppress(SSL.WantReadError):
                    tls.do_handshake()
                    finished = True
            except SSL.Error as error:
                with suppress(_Ended):
                    self._pass_on(tls)
                raise _Ended("handshake-failed", _alert(error)) from None
            # Some handshakes that fail later leave nothing else of the server's certificate.
            if not self.seen.chain and (sent := tls.get_peer_cert_chain()):
                self.seen.chain = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, cert) for cert in sent)
            if self.seen.chain:
                self.seen.protocol = tls.get_protocol_version_name()
                self.seen.cipher = tls.get_cipher_name() or ""
            if finished:
                self._tls = tls
                return  # what is left to send goes with the EHLO
            self._pass_on(tls)
            if not (data := self._receive(begun=received > 0)):
                raise _Ended("handshake-failed", "the connection was closed")
            if not received and data[0] not in range(20, 24):  # a TLS record (RFC 8446, 5.1)
                raise _Ended("plaintext-injected", data)
            received += len(data)
            if received > MAX_HANDSHAKE:
                raise _Ended("garbage", "the handshake has no end")
            tls.bio_write(data)

    def _ask(self, command: str, silence: str, *, ending: bool = True) -> tuple[str, list[str]]:
        """Send a command, if any; return the line of the reply that decides, and all. No 2xx is the end."""
        if command:
            self._send(f"{command}\r\n".encode())
        self._until, self._silence = time.monotonic() + self._settings.timeout, silence
        lines = self._reply()
        if not command:
            self.seen.banner = shown(lines[0])
        deciding = next(line for line in lines if line[:3] == lines[-1][:3])  # the last code counts
        if ending and deciding[0] != "2":
            raise _Ended({"4": "busy", "5": "refused"}.get(deciding[0], "garbage"), deciding)
        return deciding, lines

    def _reply(self) -> list[str]:
        lines: list[str] = []
        size = 0
        while True:
            while b"\n" not in self._buffer:
                if not (data := self._hear(begun=bool(self._buffer or lines))):
                    raise _Ended("refused", "the connection was closed")
                self._buffer += data
                if len(self._buffer) > MAX_REPLY:
                    raise _Ended("garbage", self._buffer)
            raw, self._buffer = self._buffer.split(b"\n", 1)
            size += len(raw) + 1
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            code = re.match(r"[2-5][0-9]{2}([ -]|$)", line)
            if not code or size > MAX_REPLY:
                raise _Ended("garbage", line)
            lines.append(line)
            if code[1] != "-":
                return lines

    def _hear(self, *, begun: bool) -> bytes:
        """Return bytes that came, decrypted once TLS is on; none at the end of the connection."""
        while self._tls:
            try:
                return self._tls.recv(1 << 14)
            except SSL.WantReadError:
                self._pass_on(self._tls)
            except SSL.ZeroReturnError:
                return b""
            if not (data := self._receive(begun=begun)):
                return b""
            self._tls.bio_write(data)
        return self._receive(begun=begun)

    def _receive(self, *, begun: bool) -> bytes:
        try:
            self._sock.settimeout(max(1e-6, self._until - time.monotonic()))  # 0 would be without waiting
            return self._sock.recv(1 << 14)
        except TimeoutError:
            raise _Ended(*(("slow", "a reply without end") if begun else ("silent", self._silence))) from None
        except OSError:
            return b""  # reset: closed, too

    def _send(self, data: bytes) -> None:
        if self._tls:
            self._tls.sendall(data)
            self._pass_on(self._tls)
        else:
            self._send_plain(data)

    def _pass_on(self, tls: SSL.Connection) -> None:
        with suppress(SSL.WantReadError):
            while True:
                self._send_plain(tls.bio_read(1 << 16))

    def _send_plain(self, data: bytes) -> None:
        try:
            self._sock.settimeout(self._settings.timeout)
            self._sock.sendall(data)
        except TimeoutError:
            raise _Ended("slow", "it takes nothing that is sent") from None
        except OSError as error:
            raise _Ended("refused", error.strerror or "the connection was lost") from None


def offers_of(settings: ObserveTls) -> Offers:
    """Return what to offer servers, also what others refuse; `ParameterError` if settings cannot be used."""
    if source := settings.source_address:  # one that nobody can come from would make all servers seem silent
        try:
            with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET) as sock:
                sock.bind((source, 0))
        except OSError as error:
            text, detail = "source_address is no address of this machine: {} ({})", error.strerror or ""
            raise ParameterError(text, repr(source), detail.lower() or "no such address") from None
    if (settings.client_certificate is None) != (settings.client_key is None):
        raise ParameterError("a client's certificate needs its key, and a key its certificate")
    try:
        return _context(settings), _context(settings, SSL.TLS1_2_VERSION)
    except (SSL.Error, OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = _alert(error) if isinstance(error, SSL.Error) else getattr(error, "message", None) or error
        remedy = "Give a certificate and its key, both PEM, the key without a password"
        text, file = "the client's certificate cannot be used ({})", str(settings.client_certificate)
        raise ParameterError(text, reason, file=file, remedy=remedy) from None


def _context(settings: ObserveTls, newest: int | None = None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    if newest:
        context.set_max_proto_version(newest)
    context.set_cipher_list(b"ALL:!aNULL:@SECLEVEL=0")
    context.set_info_callback(_listen)
    certificate, key = settings.client_certificate, settings.client_key
    if certificate and key:
        open_regular(certificate).close()
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey(load_pem_private_key(read_bytes(key, 1 << 20), None))  # type: ignore[arg-type]
        context.check_privatekey()
    return context


def _listen(tls: SSL.Connection, _where: int, _value: int) -> None:
    if b"read server certificate request" in tls.get_state_string():
        tls.get_app_data().demanded = True


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """Return what is kept of others' own words: printable, and no more than a line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most])


def _alert(error: SSL.Error) -> str:
    entries = [entry for entry in error.args[:1] if isinstance(entry, list)]
    reasons = [reason for entry in entries for *_, reason in entry if reason]
    return reasons[-1] if reasons else "the connection was closed"
