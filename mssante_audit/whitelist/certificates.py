"""Certificates in files: what the user trusts, and what is pinned as IGC-Santé's (``anchors.toml``)."""

import ssl
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import verification

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_bytes
from mssante_audit.base.resources import is_copy, sample_folder, table_of

SUFFIXES = (".cer", ".crt", ".pem", ".der", ".p7b")
# What cryptography raises of a certificate that it cannot read.
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
# What authorities are for, and by which rules: nobody asks for one of them here (RFC 5280, 6.1.1).
_NOT_WEIGHED = (x509.ExtendedKeyUsage, x509.CertificatePolicies, x509.PolicyConstraints)
GIVE = "Give a PEM, DER or PKCS #7 file, or a folder of them"  # remedy where certificates lack


def trusted_certificates(anchors: Iterable[str | Path]) -> list[x509.Certificate]:
    """Return the CA certificates in files and folders; one without any is an `InputError`."""
    trusted: list[x509.Certificate] = []
    for anchor in map(Path, anchors):
        if not (authorities := [c for c in certificates_of(anchor) if is_authority(c)]):
            raise InputError("no CA certificate here", file=str(anchor), remedy=GIVE)
        trusted += authorities
    return trusted


def certificates_of(path: Path) -> list[x509.Certificate]:
    """Load the certificates of a file, or of a folder and one below; one that holds none is an `InputError`.

    The test chain of IGC-Santé is left out where a folder is given, and taken where its file is.
    """
    if not path.is_dir():
        return load_certificates(path)
    loaded = (c for file in files_in(path, SUFFIXES) for c in load_certificates(file))
    return [c for c in loaded if fingerprint(c) not in pinned()["test"]]


def tls_context(bundle: Path | None) -> ssl.SSLContext:
    """Return how servers are verified: by certificates of a file or folder, the system's if none."""
    if bundle is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not (certificates := certificates_of(bundle)):
        raise InputError("no certificate here", file=str(bundle), remedy=GIVE)
    context.load_verify_locations(cadata=b"".join(c.public_bytes(Encoding.DER) for c in certificates))
    return context


def find_anchors(folder: Path) -> Iterator[tuple[Path, x509.Certificate]]:
    """Yield the certificates below a data folder that are pinned as IGC-Santé's, each with its file."""
    for file in files_in(folder, SUFFIXES):
        with suppress(InputError):
            yield from ((file, c) for c in load_certificates(file) if fingerprint(c) in pinned()["trusted"])


def of_sample(folder: Path) -> tuple[Path, ...]:
    """Return the anchors of a data folder that is the shipped sample or its copy; no other brings any."""
    return (sample_folder() / "anchors",) if is_copy(folder) else ()


def files_in(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files in a folder, then one folder below, whose names end so, in order; no hidden ones."""
    files = [file for pattern in ("[!.]*", "[!.]*/[!.]*") for file in sorted(folder.glob(pattern))]
    return [file for file in files if file.suffix.lower() in suffixes and not file.is_dir()]


def load_certificates(path: str | Path) -> list[x509.Certificate]:
    """Load the certificates of one file: PEM, DER or PKCS #7; an `InputError` if it holds none."""
    content = read_bytes(path, 2**20)
    p7b = (pkcs7.load_pem_pkcs7_certificates, pkcs7.load_der_pkcs7_certificates)
    for load in (x509.load_pem_x509_certificates, x509.load_der_x509_certificate, *p7b):
        with suppress(*UNREADABLE):
            if certificates := read_certificates(load, content):
                return certificates
    raise InputError("no certificate that can be read, in PEM, DER or PKCS #7", file=str(path))


def read_certificates(load: Callable[[bytes], Any], content: bytes) -> list[x509.Certificate]:
    """Load certificates, and read what will be asked of them: cryptography puts that off, and fails then."""
    with warnings.catch_warnings(action="ignore"):  # IGC-Santé's own .p7b is not in DER's order
        loaded = load(content)
        certificates = [loaded] if isinstance(loaded, x509.Certificate) else list(loaded)
        for c in certificates:
            _ = c.subject.rfc4514_string(), c.issuer.rfc4514_string(), c.public_key(), c.extensions
            _ = c.not_valid_before_utc, c.not_valid_after_utc
    return certificates


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, as ``2D:9E:…``."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


@cache
def pinned() -> dict[str, frozenset[str]]:
    """Return the fingerprints of ``anchors.toml`` by section."""
    sections = table_of("mssante_audit.whitelist", "anchors.toml").items()
    return {section: frozenset(names.values()) for section, names in sections}


def is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate says of itself that it may sign others (RFC 5280, 4.2.1.9)."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return bool(constraints and constraints.ca)


def extension_of(holder: Any, kind: type[x509.ExtensionType]) -> Any:
    """Return what an extension of a certificate, list or entry says, ``None`` if there is none to be read."""
    with suppress(x509.ExtensionNotFound, *UNREADABLE):
        return holder.extensions.get_extension_for_class(kind).value
    return None


def path_to_anchor(
    leaf: x509.Certificate,
    between: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    at: datetime,
    *,
    any_use: bool = True,
) -> list[x509.Certificate]:
    """Return the path of a certificate to an anchor, all valid at a time and allowed to do what they did.

    `between` may lie on it; anchors are those `trusted` whose issuer is not among them. With `any_use`, it
    does not matter what the authorities are for. A `ValueError` says why there is no path.
    """
    subjects = {certificate.subject for certificate in trusted}
    roots = [c for c in trusted if c.issuer == c.subject or c.issuer not in subjects]
    try:
        builder = verification.PolicyBuilder().store(verification.Store(roots)).time(at)
        ca_policy = verification.ExtensionPolicy.webpki_defaults_ca()
        for kind in _NOT_WEIGHED if any_use else ():
            ca_policy = ca_policy.may_be_present(kind, verification.Criticality.AGNOSTIC, None)
        ee_policy = verification.ExtensionPolicy.permit_all()
        builder = builder.extension_policies(ca_policy=ca_policy, ee_policy=ee_policy)
        return list(builder.build_client_verifier().verify(leaf, list(between)).chain)
    except (verification.VerificationError, ValueError, UnsupportedAlgorithm) as error:
        message = str(error).partition(" (encountered")[0].removeprefix("validation failed: ")
        raise ValueError(message.partition(": AlgorithmIdentifier")[0]) from error
