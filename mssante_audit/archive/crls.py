"""Fetching revocation lists (CRL): from where the authorities at hand say that theirs lie, into ``crls/``.

Anybody can present a certificate that names an address inside somebody's network: only known authorities are
believed. Of each issuer and scope one list is kept, complete and signed, never an older one in its place. One
that is replaced stays, under its date, where it revokes what its successor no longer names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from mssante_audit.archive.fetch import Settings, download
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import FetchError, InputError
from mssante_audit.base.export import write_bytes, writing
from mssante_audit.base.reading import read_bytes
from mssante_audit.observe.folder import find_observations
from mssante_audit.observe.tls.chain import issued, loaded
from mssante_audit.observe.tls.observation import load_tls
from mssante_audit.whitelist.certificates import UNREADABLE, fingerprint, is_authority, of_sample
from mssante_audit.whitelist.load import content_of
from mssante_audit.whitelist.revocation import MAX_FILE, SUFFIX, RevocationList, find_crls, load_crl, read_crl
from mssante_audit.whitelist.signature import signer_of, trust

FOLDER = "crls"
"""Where they are kept, in the data folder."""
MOST = 50
"""Addresses that are asked."""
_NAMED = re.compile(rf"-[0-9a-f]{{8}}\{SUFFIX}\Z")
"""How the names of lists that were fetched end."""
_WEB = re.compile(r"https?://[!-~]{1,2000}\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one address."""

    url: str
    outcome: str
    """``kept``, ``same``, ``older`` (than the one here, which stays) or ``refused``."""
    message: str = ""
    """Why it was refused."""
    file: Path | None = None
    """Where it lies."""
    made: datetime | None = None
    due: datetime | None = None
    """When its successor is due, if it says so."""
    size: int = 0
    """How many certificates it names."""

    @property
    def line(self) -> str:
        """One line on it."""
        if self.outcome == "refused":
            return f"refused: {self.message} (from {self.url})"
        due = f", due {self.due:%Y-%m-%d}" if self.due else ", which does not say when its successor is due"
        late = ": stale already" if self.due and self.due < datetime.now(UTC) else ""
        made = f"of {self.made:%Y-%m-%d}{due}{late}"
        return f"{self.outcome} {self.file}: {self.size} revoked, {made} (from {self.url})"


def fetch_crls(
    folder: Path,
    anchors: Sequence[str | Path] = (),
    settings: Settings | None = None,
    *,
    whitelists: Iterable[Path] = (),
    urls: Iterable[str] = (),
) -> list[Fetched]:
    """Fetch revocation lists into ``crls/`` of a data folder.

    IGC-Santé's certificates there, the `anchors`, those that `whitelists` are signed with, and those of the
    servers in the newest observation say where revocation lists lie, unless `urls` are given. `settings` say
    how they are fetched, but not from where. If no authority is known, or none names a list, it is an
    `InputError`.
    """
    known = _authentic(folder, whitelists, trust([*anchors, *of_sample(folder)], folder)[0])
    if not known:
        remedy = "Name some with --anchors"
        raise InputError("no certificate of an authority here", file=str(folder), remedy=remedy)
    asked = list(dict.fromkeys(urls or (url for certificate in known for url in points(certificate))))[:MOST]
    if not asked:
        remedy = "Name one with --url"
        raise InputError("no certificate here names a revocation list", file=str(folder), remedy=remedy)
    how = replace(settings or Settings(""), max_bytes=MAX_FILE, plain=True)
    with writing(folder):
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    return [_fetch(folder / FOLDER, url, known, how) for url in asked]


def points(certificate: x509.Certificate) -> Iterator[str]:
    """Yield the web addresses where a certificate says that revocation lists lie (RFC 5280, 4.2.1.13)."""
    with suppress(x509.ExtensionNotFound, *UNREADABLE):
        for point in certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value:
            for name in point.full_name or ():
                if isinstance(name, x509.UniformResourceIdentifier) and _WEB.match(name.value):
                    yield name.value


def _authentic(
    folder: Path, whitelists: Iterable[Path], trusted: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificates at hand that are trusted, or issued by one that is."""
    found = list(dict.fromkeys(trusted))
    seen = [signer for file in whitelists if (signer := signer_of(content_of(file)))]
    for file in find_observations(folder, "tls")[:1]:
        with suppress(InputError):
            ders = load_tls(file.path).certificates.values()
            seen += [certificate for der in ders if (certificate := loaded(der))]
    for certificate in sorted(seen, key=is_authority, reverse=True):  # those in between before the servers'
        if any(is_authority(other) and issued(certificate, other) for other in found):
            found.append(certificate)
    return list(dict.fromkeys(found))


def _fetch(folder: Path, url: str, known: Sequence[x509.Certificate], how: Settings) -> Fetched:
    try:
        content = download(replace(how, url=url)).content
    except FetchError as error:
        return Fetched(url, "refused", error.message)
    new = read_crl(content)
    if new is None:
        return Fetched(url, "refused", "what came is no revocation list")
    issuer = next((c for c in known if is_authority(c) and new.signed_by(c)), None)
    if issuer is None:
        return Fetched(url, "refused", "no authority known here signed it")
    if not new.complete:
        return Fetched(url, "refused", "it is not complete: a delta, or only for some reasons")
    loaded_here = ((file, old) for file in find_crls(folder) if (old := load_crl(file)))
    kept = [  # of the same issuer, and about the same certificates
        (file, old)
        for file, old in loaded_here
        if old.signed_by(issuer) and old.complete and old.scope == new.scope
    ]
    for file, old in kept:
        if not new.newer_than(old):
            return _fetched(url, "older" if old.newer_than(new) else "same", file, old)
    ours = [(file, old) for file, old in kept if _NAMED.search(file.name)]
    for file, old in ours:
        if old.revokes(known) - new.revokes(known):
            dated = f"{file.stem}-{old.crl.last_update_utc:%Y-%m-%dT%H%M%S}{SUFFIX}"
            write_bytes(file.with_name(dated), read_bytes(file, MAX_FILE))
    target = ours[0][0] if ours else folder / _name_of(url, new, issuer)
    write_bytes(target, content)
    return _fetched(url, "kept", target, new)


def _fetched(url: str, outcome: str, file: Path, revocations: RevocationList) -> Fetched:
    crl = revocations.crl
    return Fetched(url, outcome, "", file, crl.last_update_utc, crl.next_update_utc, len(crl))


def _name_of(url: str, crl: RevocationList, issuer: x509.Certificate) -> str:
    """Return the name of a file for an issuer's list that lies at an address."""
    last = urlsplit(url).path.rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", last.removesuffix(SUFFIX))[:60].strip("-") or "list"
    whose = fingerprint(issuer).encode() + crl.scope
    return f"{stem}-{digest(whose)[:8]}{SUFFIX}"
