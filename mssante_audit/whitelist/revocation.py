"""Whether a certificate was revoked, by the revocation lists (CRL) that lie beside the white list.

One counts only if the certificate's issuer signed it (RFC 5280, 5 and 6.3). Without one that speaks of the
time asked for, nobody knows.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from cryptography import x509

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_bytes
from mssante_audit.whitelist.certificates import UNREADABLE, extension_of, files_in, is_authority

Answer = Literal["good", "revoked", "unknown"]
SUFFIX = ".crl"
MAX_FILE = 2**25  # bytes of a revocation list: some hundred thousand certificates
HOLD = "certificateHold"  # the reason for which a certificate is only suspended
# Critical extensions that are understood here; a list with another one is not used (RFC 5280, 5.2).
_READ = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.IssuingDistributionPoint)
# Why nobody knows, the nearer to an answer the later.
_DOUBTS = {
    "": "",
    "none": "no revocation list lies beside the list",
    "unreadable": "cannot be read as a revocation list",
    "other": "no revocation list of its issuer lies here",
    "forged": "is not signed by its issuer",
    "scope": "is not complete, or about other certificates",
    "late": "was made after its end, and need not name it any more",
    "stale": "was due to be replaced before that time",
}


@dataclass(frozen=True, slots=True)
class Status:
    """What revocation lists say of a certificate at a time."""

    answer: Answer = "unknown"  # ``good`` is the certificate; those above it are only ever found revoked
    doubt: str = "none"  # key of `_DOUBTS`: why nobody knows; "" if somebody does
    file: str = ""  # the list that tells, or comes nearest to it
    made: datetime | None = None  # when that was made
    due: datetime | None = None  # when its successor is
    since: datetime | None = None  # since when the certificate is revoked, if it is; later, if it is ``good``
    reason: str = ""  # and why, if the list says it (RFC 5280, 5.3.1)

    @property
    def why(self) -> str:
        """What it rests on, in a sentence without a final period."""
        if self.since and self.answer != "unknown":
            reason = f" ({self.reason})" if self.reason else ""
            later = ", which is later" if self.answer == "good" else ""
            return f"{self.file} says that it was revoked on {self.since:%Y-%m-%d}{reason}{later}"
        if self.answer == "good":
            return f"{self.file} of {self.made:%Y-%m-%d} does not name it"
        freshness = f" ({self.due:%Y-%m-%d})" if self.doubt == "stale" and self.due else ""
        file = "" if self.doubt in ("none", "other") else f"{self.file} "
        return f"{file}{_DOUBTS[self.doubt]}{freshness}"


UNASKED = Status()


@dataclass(eq=False)
class RevocationList:
    """A list that was read, and what was worked out of it once."""

    crl: x509.CertificateRevocationList

    @cached_property
    def entries(self) -> dict[int, x509.RevokedCertificate]:
        """What it says of each serial number."""
        return {entry.serial_number: entry for entry in self.crl}

    @cached_property
    def point(self) -> Any:
        """Of which certificates it speaks (IssuingDistributionPoint), ``None`` if of all."""
        return extension_of(self.crl, x509.IssuingDistributionPoint)

    @property
    def scope(self) -> bytes:
        """What tells it from other lists of its issuer."""
        return self.point.public_bytes() if self.point else b""

    def newer_than(self, other: RevocationList) -> bool:
        """Tell whether it comes after another of its issuer: by number (RFC 5280, 5.2.3), else by date."""
        ours, theirs = (extension_of(source.crl, x509.CRLNumber) for source in (self, other))
        if ours and theirs and ours != theirs:
            return bool(ours.crl_number > theirs.crl_number)
        return self.crl.last_update_utc > other.crl.last_update_utc

    def revokes(self, certificates: Iterable[x509.Certificate]) -> set[int]:
        """Return the serial numbers of those of some certificates that it revokes for good."""
        with warnings.catch_warnings(action="ignore"):  # of one that is negative
            issued = [c for c in certificates if c.issuer == self.crl.issuer]
            return {c.serial_number for c in issued if (entry := self.entry(c)) and entry[1] != HOLD}

    @property
    def complete(self) -> bool:
        """Tell whether it is about all that its issuer revoked, for whatever reason, and is understood."""
        point = self.point
        if point and (point.only_contains_attribute_certs or point.indirect_crl or point.only_some_reasons):
            return False
        others = [e for e in self.crl.extensions if not isinstance(e.value, _READ)]
        return not any(e.critical or isinstance(e.value, x509.DeltaCRLIndicator) for e in others)

    def about(self, certificate: x509.Certificate) -> bool:
        """Tell whether it is about certificates of this kind: of authorities, or of others."""
        point, authority = self.point, is_authority(certificate)
        return not (point and (point.only_contains_user_certs if authority else point.only_contains_ca_certs))

    def part_of(self, certificate: x509.Certificate) -> bool:
        """Tell whether a certificate points to it, if it is one list of several (RFC 5280, 6.3.3)."""
        named = {*(self.point.full_name or ())} if self.point else set()
        points = extension_of(certificate, x509.CRLDistributionPoints) or ()
        return not named or any(named.intersection(point.full_name or ()) for point in points)

    def signed_by(self, issuer: x509.Certificate) -> bool:
        """Tell whether an authority signed it, and may sign such lists."""
        with suppress(*UNREADABLE):
            key: Any = issuer.public_key()
            if self.crl.issuer == issuer.subject and self.crl.is_signature_valid(key):
                return all(e.value.crl_sign for e in issuer.extensions if isinstance(e.value, x509.KeyUsage))
        return False

    def entry(self, certificate: x509.Certificate) -> tuple[datetime, str] | None:
        """Return since when and why a certificate is not to be believed: a lost key may be reported late."""
        if not (entry := self.entries.get(certificate.serial_number)):
            return None
        since, invalidity = entry.revocation_date_utc, extension_of(entry, x509.InvalidityDate)
        named = extension_of(entry, x509.CRLReason)
        reason = "" if not named or named.reason == x509.ReasonFlags.unspecified else named.reason.value
        return min(since, invalidity.invalidity_date_utc) if invalidity else since, reason


def find_crls(folder: Path) -> list[Path]:
    """Return the revocation lists in a folder, or one folder below, in order of name."""
    return sorted(files_in(folder, (SUFFIX,)))


def revocation(chain: Sequence[x509.Certificate], files: Collection[Path], at: datetime) -> Status:
    """Say whether a certificate, or one above it in its `chain` up to the anchor, was revoked at a time.

    Of the files, in PEM or DER, what cannot be read, or nobody of the chain signed, says nothing.
    """
    read = [(file.name, load_crl(file)) for file in files]
    statuses = [Status(doubt="unreadable", file=name) for name, crl in read if crl is None]
    for certificate, issuer in pairwise(chain):
        for status in (_status(name, crl, certificate, issuer, at) for name, crl in read if crl is not None):
            if status.answer == "revoked":
                return status
            if certificate is chain[0]:
                statuses.append(status)
    order = [*_DOUBTS]
    return max(
        statuses, key=lambda s: (s.answer == "good", bool(s.since), order.index(s.doubt)), default=UNASKED
    )


def _status(
    name: str, source: RevocationList, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Status:
    made_at, due = source.crl.last_update_utc, source.crl.next_update_utc
    if source.crl.issuer != issuer.subject:
        return Status("unknown", "other", name, made_at, due)
    if not source.signed_by(issuer):
        return Status("unknown", "forged", name, made_at, due)
    if not source.complete or not source.about(certificate):
        return Status("unknown", "scope", name, made_at, due)
    late, stale = made_at > certificate.not_valid_after_utc, made_at < at and (due is None or due < at)
    doubt = "late" if late else "stale" if stale else ""
    entry = source.entry(certificate)
    # A hold may have been lifted since; all else is for ever (RFC 5280, 5.3.1).
    if entry and entry[0] <= at and not (entry[1] == HOLD and doubt):
        return Status("revoked", "", name, made_at, due, *entry)
    doubt = doubt or ("" if source.part_of(certificate) else "scope")
    return Status("unknown" if doubt else "good", doubt, name, made_at, due, *(entry or ()))


def load_crl(file: Path) -> RevocationList | None:
    """Return a list that can be read; read again only once the file has changed."""
    with suppress(OSError, InputError):
        stat = file.stat()
        return _loaded(file, stat.st_mtime_ns, stat.st_size)
    return None


@lru_cache(64)
def _loaded(file: Path, _changed: int, _size: int) -> RevocationList | None:
    return read_crl(read_bytes(file, MAX_FILE))


def read_crl(content: bytes) -> RevocationList | None:
    """Return the revocation list that bytes are, in DER or PEM; ``None`` if they are none, or several."""
    if content.count(b"-----BEGIN X509 CRL-----") > 1:  # cryptography would read the first, and say nothing
        return None
    for load in (x509.load_der_x509_crl, x509.load_pem_x509_crl):
        with suppress(*UNREADABLE, OverflowError):
            crl = load(content)
            # Asked for now: cryptography puts these off, and fails then.
            _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, list(crl.extensions)
            return RevocationList(crl)
    return None
