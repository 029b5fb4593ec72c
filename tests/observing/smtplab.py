"""Mail servers of every kind, on loopback: each is a script of what it says, with certificates made here."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

MADE = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def files(self, folder: Path, *chain: Made) -> tuple[Path, Path]:
        """Write certificate with `chain` behind it, and key; return both files."""
        folder.mkdir(parents=True, exist_ok=True)
        pem = [self.certificate, *(one.certificate for one in chain)]
        own, key = folder / "chain.pem", folder / "key.pem"
        own.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in pem))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return own, key


SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def make(
    subject: str,
    issuer: Made | None = None,
    *,
    ca: bool = False,
    start: datetime = MADE,
    days: int = 365,
    names: tuple[str, ...] = (),
    usages: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
    key: Key | None = None,
    digest: hashes.HashAlgorithm | None = None,
    crl: str = "",
) -> Made:
    """Make a certificate; `subject` is written as in a white list, without commas in its values."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    parts = reversed([part.split("=", 1) for part in subject.split(",")])
    name = x509.Name([x509.NameAttribute(KINDS[kind], value) for kind, value in parts])
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        start,
        start + timedelta(days=days),
    ).add_extension(x509.BasicConstraints(ca, None), critical=True)
    if ca:
        signing = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(signing, critical=True)
    elif usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
        builder = builder.add_extension(alternative, critical=False)
    if crl:
        places = [x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)]
        builder = builder.add_extension(x509.CRLDistributionPoints(places), critical=False)
    return Made(builder.sign(issuer.key if issuer else key, digest or hashes.SHA256()), key)


Script = Callable[["Wire"], Awaitable[None]]


class Wire:
    """A connection that a script speaks over."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode())
        await self.writer.drain()

    async def hear(self) -> str:
        return (await self.reader.readline()).decode()


@asynccontextmanager
async def serving(scripts: dict[str, Script]) -> AsyncIterator[int]:
    """Serve a script an address, all on one port, which is yielded; scripts under way come to their end."""
    talks: set[asyncio.Task[None]] = set()

    def called(script: Script) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        async def talk(wire: Wire) -> None:
            try:
                with suppress(OSError, ssl.SSLError):
                    await script(wire)
            finally:
                wire.writer.transport.abort()

        return lambda reader, writer: talks.add(asyncio.create_task(talk(Wire(reader, writer))))

    servers, port = [], 0
    for address, script in scripts.items():
        servers.append(await asyncio.start_server(called(script), address, port))
        port = servers[0].sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        for server in servers:
            server.close()
        if talks:
            _, late = await asyncio.wait(talks, timeout=1)
            for one in late:
                one.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed transports let go of their sockets


def tls(
    chain: tuple[Path, Path],
    *,
    demand: Path | None = None,
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    heard: list[str] | None = None,
    last: str = "250 mx\n",
) -> Script:
    """Return the script of a server as it should be, whose certificate lies in files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)
    context.maximum_version = most
    if demand:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demand)

    async def script(wire: Wire) -> None:
        said = heard if heard is not None else []
        await wire.say("220-mx.example\n220 ESMTP\n")
        said.append(await wire.hear())
        await wire.say("250-mx.example\n250-PIPELINING\n250 STARTTLS\n")
        said.append(await wire.hear())
        await wire.say("220 go ahead\n")
        await wire.writer.start_tls(context)
        said.append(await wire.hear())
        await wire.say(last)
        said.append(await wire.hear())

    return script


def saying(*replies: str, then: float = 0.0) -> Script:
    """Return the script of a server that says each of `replies`, hearing something between two of them."""

    async def script(wire: Wire) -> None:
        for number, reply in enumerate(replies):
            if number:
                await wire.reader.read(4096)
            await wire.say(reply)
        await asyncio.sleep(then)

    return script


def dripping(text: str, every: float) -> Script:
    """Return the script of a server that says a text without end, byte by byte."""

    async def script(wire: Wire) -> None:
        while True:
            for character in text:
                await wire.say(character)
                await asyncio.sleep(every)

    return script
