"""Certificates of mail servers, made up: the same call gives the same bytes.

Keys follow from names, and are no secret: nobody outside the sample and the tests trusts who has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mssante_audit.values.dn import parse_dn

MADE = datetime(2026, 1, 1, tzinfo=UTC)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_KINDS = {
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")
"""Names of algorithms in DER (RFC 5758, 3.2)."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    der: bytes
    key: Key

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, read."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def files(self, folder: Path, *chain: Made) -> tuple[Path, Path]:
        """Write certificate with `chain` behind it, and key; return both files."""
        folder.mkdir(parents=True, exist_ok=True)
        chain_file, key = folder / "chain.pem", folder / "key.pem"
        chain_file.write_bytes(b"".join(certificate.pem for certificate in (self, *chain)))
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain_file, key


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
    public: rsa.RSAPublicKey | None = None,
    sha1: bool = False,
    crl: str = "",
) -> Made:
    """Make a certificate.

    Parameters
    ----------
    subject
        As a white list writes it.
    issuer
        Itself if ``None``.
    ca
        Whether it may sign others.
    start, days
        When it begins (UTC), and for how long it is valid.
    names
        Of hosts.
    usages
        Extended; none of them named if empty.
    key
        One that follows from all the rest if not given.
    public
        A public key to put in instead, whose private one nobody has.
    sha1
        Whether it is signed over SHA-1; its issuer's key is on a curve then.
    crl
        Where its issuer's list of what it revoked lies, a URL; nowhere if empty.
    """
    text = repr((subject, issuer and issuer.der, start, days, names, usages, *([crl] if crl else [])))
    number = int.from_bytes(sha256(text.encode()).digest()) >> 8
    key = key or ec.derive_private_key(number, ec.SECP256R1())
    name = _name(subject)
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else name,
        name,
        public or key.public_key(),
        number >> 96,
        start,
        start + timedelta(days=days),
    ).add_extension(x509.BasicConstraints(ca, None), critical=True)
    if ca:
        builder = builder.add_extension(_SIGNING, critical=True)
    elif usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(host) for host in names])
        builder = builder.add_extension(alternative, critical=False)
    if crl:
        places = [x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)]
        builder = builder.add_extension(x509.CRLDistributionPoints(places), critical=False)
    signer = issuer.key if issuer else key
    if isinstance(signer, rsa.RSAPrivateKey):
        certificate = builder.sign(signer, hashes.SHA256())
    else:
        certificate = builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
        if sha1:
            return Made(_over_sha1(certificate, signer), key)
    return Made(certificate.public_bytes(Encoding.DER), key)


_SIGNING = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip


def rsa_of(bits: int) -> rsa.RSAPublicKey:
    """Return a public key of a size, which is no product of two primes that anybody knows."""
    many = b"".join(sha256(bytes([i])).digest() for i in range(bits // 256))
    return rsa.RSAPublicNumbers(65537, int.from_bytes(many) | 1 << bits - 1 | 1).public_key()


def _name(subject: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(_KINDS[k], value) for k, value in reversed(parse_dn(subject).rdns)])


def _over_sha1(certificate: x509.Certificate, signer: ec.EllipticCurvePrivateKey) -> bytes:
    """Sign a certificate again over SHA-1, which cryptography does not do any more."""
    body = certificate.tbs_certificate_bytes[4:].replace(_ECDSA_SHA256, _ECDSA_SHA1, 1)
    body = _der(0x30, body)
    signature = signer.sign(body, ec.ECDSA(hashes.SHA1(), deterministic_signing=True))  # noqa: S303
    return _der(0x30, body + _ECDSA_SHA1 + _der(0x03, b"\0" + signature))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
    return bytes([tag]) + length + content
