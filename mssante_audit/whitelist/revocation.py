"""Whether a list's signer was revoked, by the revocation lists (CRL) that lie beside the white list.

Nothing is fetched: a revocation list is an input like the list itself, and counts only if the certificate's
issuer signed it (RFC 5280, 5 and 6.3). Without one that speaks of the time asked for, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from mssante_audit.whitelist.certificates import files_in, is_authority

Said = Literal["good", "revoked", "unknown"]
SUFFIX = ".crl"
_MAX_FILE = 2**26
_READ = {x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint}
"""Critical extensions that are understood here; a list with another one is not used (RFC 5280, 5.2)."""


def find_crls(folder: Path) -> list[Path]:
    """Return the revocation lists in a folder, or one folder below, in order of name."""
    return sorted(files_in(folder, (SUFFIX,)))


def revocation(chain: Sequence[x509.Certificate], files: Iterable[Path], at: datetime) -> tuple[Said, str]:
    """Say whether a certificate, or one above it, was revoked at a time.

    Parameters
    ----------
    chain
        The certificate, its issuer and so on up to the anchor.
    files
        Revocation lists, in PEM or DER; what cannot be read, or nobody of the chain signed, says nothing.
    at
        The time.

    Returns
    -------
    tuple of str
        ``good``, ``revoked`` or ``unknown``, and why, in a sentence without a final period. ``good`` speaks
        of the certificate itself; those above it are only ever found revoked.
    """
    crls = [(file.name, crl) for file in files if (crl := _load(file)) is not None]
    good = ""
    for certificate, issuer in pairwise(chain):
        for name, crl in crls:
            if not _speaks_for(crl, certificate, issuer):
                continue
            since = _revoked_since(crl, certificate)
            if since is not None and since <= at:
                return "revoked", f"{name} says that it was revoked on {since:%Y-%m-%d}"
            if certificate is chain[0] and _covers(crl, certificate, at):
                good = name
    if good:
        return "good", f"{good} does not name it"
    if crls:
        return "unknown", "no revocation list of its issuer here speaks of that time"
    return "unknown", "no revocation list lies beside the list"


def _load(file: Path) -> x509.CertificateRevocationList | None:
    with suppress(OSError):
        with file.open("rb") as opened:
            content = opened.read(_MAX_FILE + 1)
        for load in (x509.load_der_x509_crl, x509.load_pem_x509_crl):
            with suppress(ValueError, UnsupportedAlgorithm):
                if len(content) <= _MAX_FILE:
                    return load(content)
    return None


def _speaks_for(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """Tell whether a list is complete, about such certificates, and signed by their issuer, which may."""
    try:
        if crl.issuer != issuer.subject or not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
            return False
        if not issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    for extension in crl.extensions:
        if extension.critical and type(extension.value) not in _READ:
            return False
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            scope = extension.value
            other_kind = (
                scope.only_contains_user_certs if is_authority(certificate) else scope.only_contains_ca_certs
            )
            partial = scope.only_contains_attribute_certs or scope.indirect_crl or scope.only_some_reasons
            if other_kind or partial:
                return False
    return True


def _revoked_since(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> datetime | None:
    """Return since when a list says that a certificate is not to be believed: a lost key may be told late."""
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None
    since = entry.revocation_date_utc
    with suppress(x509.ExtensionNotFound, ValueError):
        lost = entry.extensions.get_extension_for_class(x509.InvalidityDate).value.invalidity_date
        since = min(since, lost.replace(tzinfo=UTC))
    return since


def _covers(crl: x509.CertificateRevocationList, certificate: x509.Certificate, at: datetime) -> bool:
    """Tell whether a certificate that a list does not name was not revoked at a time.

    A list of before that time counts until its successor was due; one of after the certificate's end need
    not name it any more.
    """
    made, due = crl.last_update_utc, crl.next_update_utc
    if made > certificate.not_valid_after_utc:
        return False
    return made >= at or (due is not None and at <= due)
