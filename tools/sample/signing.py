"""Made-up certificate chains, and signatures in the form of real ones: for the sample and for tests.

A chain has the shape of IGC-Santé's (data): a root, an authority that issues to organisations, and a signer
for e-mail protection, valid for three years. Every name in it is fictitious, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from lxml import etree
from signxml.algorithms import CanonicalizationMethod
from signxml.signer import XMLSigner

KEYS = 3
"""How many keys a chain has: root, issuing authority, signer."""

_EPOCH = datetime(2015, 6, 25, tzinfo=UTC)
_AUTHORITY_VALIDITY = timedelta(days=20 * 365)
_SIGNER_VALIDITY = timedelta(days=3 * 365 + 1)


@dataclass(frozen=True, slots=True)
class SigningChain:
    """A chain of certificates and the key that signs lists."""

    root: x509.Certificate
    issuing: x509.Certificate
    signer: x509.Certificate
    key: rsa.RSAPrivateKey
    """Of the signer."""


def make_keys() -> tuple[rsa.RSAPrivateKey, ...]:
    """Make the `KEYS` keys of a chain, of 2,048 bits like the real signer's. Takes part of a second."""
    return tuple(rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(KEYS))


def make_chain(
    *,
    not_before: datetime = datetime(2025, 1, 15, tzinfo=UTC),
    purpose: ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
    issuing_is_authority: bool = True,
    root_path_length: int | None = None,
    self_signed: bool = False,
    common_name: str = "liste.fictif.example",
    keys: tuple[rsa.RSAPrivateKey, ...] | None = None,
) -> SigningChain:
    """Make a chain; by default a good one, or one that must not be trusted.

    Parameters
    ----------
    not_before
        Start of the signer's three years (UTC).
    purpose
        The signer's extended key usage.
    issuing_is_authority
        Whether the issuing certificate is a CA's.
    root_path_length
        How many authorities the root allows below itself; 0 forbids the issuing one.
    self_signed
        Whether the signer issued its own certificate.
    common_name
        Of the signer.
    keys
        From `make_keys`, so as not to make new ones.
    """
    root_key, issuing_key, key = keys or make_keys()
    authority = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "GESTIONNAIRE FICTIF")]
    root_name = _name(*authority, (NameOID.COMMON_NAME, "AC RACINE FICTIVE"))
    issuing_name = _name(*authority, (NameOID.COMMON_NAME, "AC FICTIVE ORGANISATIONS"))
    signer_name = _name(
        (NameOID.COUNTRY_NAME, "FR"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Paris (75)"),
        (NameOID.ORGANIZATION_NAME, "GESTIONNAIRE FICTIF"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "300000000000000"),
        (NameOID.COMMON_NAME, common_name),
    )
    root = _certificate(
        (root_name, root_key),
        (root_name, root_key),
        _EPOCH,
        _AUTHORITY_VALIDITY,
        _authority(root_path_length),
    )
    issuing = _certificate(
        (issuing_name, issuing_key),
        (root_name, root_key),
        _EPOCH,
        _AUTHORITY_VALIDITY,
        _authority(0) if issuing_is_authority else _leaf(purpose),
    )
    subject = (signer_name, key)
    issuer = subject if self_signed else (issuing_name, issuing_key)
    signer = _certificate(subject, issuer, not_before, _SIGNER_VALIDITY, _leaf(purpose))
    return SigningChain(root, issuing, signer, key)


def sign(xml: bytes, chain: SigningChain) -> bytes:
    """Sign a list as real ones are: see `mssante_audit.whitelist.signature`."""
    signer = XMLSigner(c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0)
    signer.namespaces = {None: signer.namespaces["ds"]}  # type: ignore[dict-item] # signxml means it
    root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    signed = signer.sign(root, key=chain.key, cert=[chain.signer])
    return etree.tostring(signed, xml_declaration=True, encoding="UTF-8")


_Party = tuple[x509.Name, rsa.RSAPrivateKey]
_Extension = tuple[x509.ExtensionType, bool]


def _name(*attributes: tuple[ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def _certificate(
    subject: _Party, issuer: _Party, start: datetime, validity: timedelta, extensions: list[_Extension]
) -> x509.Certificate:
    name, key = subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer[0]).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start).not_valid_after(start + validity)
    public = issuer[1].public_key()
    identifiers: list[_Extension] = [
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]
    for extension, critical in identifiers + extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer[1], hashes.SHA256())


def _authority(path_length: int | None) -> list[_Extension]:
    return [(x509.BasicConstraints(True, path_length), True), (_usage(authority=True), True)]


def _leaf(purpose: ObjectIdentifier) -> list[_Extension]:
    return [
        (x509.BasicConstraints(False, None), False),
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage([purpose]), False),
        (x509.SubjectAlternativeName([x509.RFC822Name("liste@fictif.example")]), False),
    ]


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
