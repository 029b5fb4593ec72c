"""What certificates say, and whether a chain as a server sent it leads to an anchor."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mssante_audit.base.digest import digest
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.certificates import UNREADABLE, is_authority, path_to_anchor, read_certificates
from mssante_audit.whitelist.revocation import UNASKED, Status, revocation

# Names of hosts kept of a certificate that has more, and characters kept of a text.
MAX_NAMES, MAX_TEXT = 100, 1000
WEAK = ("md5", "sha1")

Certificates = Sequence[x509.Certificate]
# How a chain leads to an anchor: by what was sent alone; with intermediates that only we have; with those
# sent in another order than TLS has them (RFC 5246, 7.4.2); to no anchor; to none since it signed itself; to
# one, through a certificate that may not; nobody can read it. "" without anchors.
State = Literal["whole", "incomplete", "unordered", "unknown", "self-signed", "refused", "unreadable", ""]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says of itself; texts are others', and may hold anything.

    `key` is its kind, such as ``RSA`` or ``secp256r1``; `digest` the hash that its issuer signed; `names` are
    those of hosts, `more` how many beyond `MAX_NAMES`; `problem` why nobody can read it: all else is empty.
    """

    sha256: str
    subject: str = ""
    issuer: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    key: str = ""
    bits: int = 0
    key_sha256: str = ""
    digest: str = ""
    usages: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    more: int = 0
    problem: str = ""

    def in_time(self, at: datetime) -> bool:
        """Tell whether it is valid at an instant; one that nobody can read is not."""
        return bool(self.not_before and self.not_after and self.not_before <= at <= self.not_after)


@dataclass(frozen=True, slots=True)
class Chain:
    """What a chain is worth at an instant."""

    leaf: Certificate
    state: State
    why: str = ""
    anchor: str = ""
    status: Status = UNASKED

    def faults(self, at: datetime, keys: Collection[str]) -> tuple[str, ...]:
        """Return why peers that compare names, dates and chain do not take it at an instant.

        They are ``unreadable``, ``name`` (none of `keys`, which are `DN.key`; without any, each name will
        do), ``dates``, ``revoked`` and ``chain`` (it leads to no anchor; without anchors nothing is known).
        """
        if self.leaf.problem:
            return ("unreadable",)
        revoked = self.status.answer == "revoked"
        faults = {
            "name": bool(keys) and parse_dn(self.leaf.subject).key not in keys,
            "dates": not self.leaf.in_time(at), "revoked": revoked,
            "chain": self.state in ("unknown", "self-signed", "refused") and not revoked,
        }  # fmt: skip
        return tuple(fault for fault, holds in faults.items() if holds)


def leaf_of(chain: Sequence[str], certificates: Mapping[str, bytes]) -> Certificate | None:
    """Return what the first certificate of a chain says, ``None`` if there is none or it is not at hand."""
    der = certificates.get(chain[0]) if chain else None
    return read_certificate(der) if der else None


@lru_cache(4096)
def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate says."""
    name = digest(der)
    try:
        parsed = read_certificates(x509.load_der_x509_certificate, der)[0]
        key = parsed.public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        kind = type(key).__name__.strip("_").removesuffix("PublicKey")
    except (*UNREADABLE, OverflowError) as error:
        return Certificate(name, problem=_cut(str(error)) or type(error).__name__)
    extensions: dict[type, Any] = {type(extension.value): extension.value for extension in parsed.extensions}
    usages = [usage.dotted_string for usage in extensions.get(x509.ExtendedKeyUsage, ())]
    alternative = extensions.get(x509.SubjectAlternativeName)
    names = alternative.get_values_for_type(x509.DNSName) if alternative else []
    return Certificate(
        name, _cut(parsed.subject.rfc4514_string()), _cut(parsed.issuer.rfc4514_string()),
        parsed.not_valid_before_utc, parsed.not_valid_after_utc,
        key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else kind,
        int(getattr(key, "key_size", 0)), digest(encoded), _digest(parsed), tuple(usages[:MAX_NAMES]),
        tuple(map(_cut, names[:MAX_NAMES])), max(0, len(names) - MAX_NAMES),
    )  # fmt: skip


def judge(sent: Sequence[bytes], trusted: Certificates, crls: Sequence[Path], at: datetime) -> Chain:
    """Say what a chain is worth at an instant (UTC).

    `sent` is DER, the server's own first; `trusted` are anchors and intermediates at hand, `crls` files of
    revocation lists. A certificate out of its time is judged at the nearest instant that lies in it: that it
    has expired is for others to say.
    """
    leaf = read_certificate(sent[0])
    if leaf.problem:
        return Chain(leaf, "unreadable", leaf.problem)
    certificate, *read = (loaded(der) for der in sent)
    if certificate is None or not trusted:
        return Chain(leaf, "")
    others = [extra for extra in read if extra is not None]
    then = min(max(at, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    path, _ = _path(certificate, others, trusted, then)
    if path is None:
        path, reason = _path(certificate, [*others, *trusted], trusted, then)
        if path is None:
            return Chain(leaf, _fault(certificate, others, trusted), reason)
        state: State = "incomplete"
    else:
        links = path[:-1] if path[-1] not in [certificate, *read] else path
        state = "whole" if links == [certificate, *read][: len(links)] else "unordered"
    with warnings.catch_warnings(action="ignore"):  # of a serial that is negative
        status = revocation(path, crls, at)
    return Chain(leaf, state, "", path[-1].subject.rfc4514_string(), status)


def _path(
    certificate: x509.Certificate, between: Certificates, trusted: Certificates, at: datetime
) -> tuple[list[x509.Certificate] | None, str]:
    try:
        return path_to_anchor(certificate, between, trusted, at), ""
    except ValueError as error:
        if _digest(certificate) in WEAK:  # no signature to the verifier; a rule of its certificate tells it
            for issuer in (c for c in [*between, *trusted] if is_authority(c) and issued(certificate, c)):
                rest, _ = _path(issuer, [c for c in between if c != issuer], trusted, at)
                if rest:
                    return [certificate, *rest], ""
        return None, str(error)


def _fault(certificate: x509.Certificate, others: Certificates, trusted: Certificates) -> State:
    """Say why no path was found: it issued itself, one on the way to an anchor may not, or none is known."""
    if certificate.issuer == certificate.subject and issued(certificate, certificate):
        return "self-signed"
    reached = [certificate]
    for certificate in reached:
        for issuer in [*trusted, *others]:
            if issuer not in reached and issued(certificate, issuer):
                if issuer in trusted:
                    return "refused"
                reached.append(issuer)
    return "unknown"


def issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate bears the signature of another, whose name it has for its issuer's."""
    if certificate.issuer != issuer.subject:
        return False
    weak = certificate.signature_hash_algorithm if _digest(certificate) in WEAK else None
    key, signed = issuer.public_key(), (certificate.signature, certificate.tbs_certificate_bytes)
    try:
        if weak and isinstance(key, rsa.RSAPublicKey):
            key.verify(*signed, padding.PKCS1v15(), weak)
        elif weak and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(weak))
        else:
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _digest(certificate: x509.Certificate) -> str:
    with suppress(UnsupportedAlgorithm):
        if certificate.signature_hash_algorithm:
            return certificate.signature_hash_algorithm.name
    return ""


@lru_cache(4096)
def loaded(der: bytes) -> x509.Certificate | None:
    """Return a certificate, ``None`` if nobody can read it."""
    with suppress(*UNREADABLE, OverflowError):
        return read_certificates(x509.load_der_x509_certificate, der)[0]
    return None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
