"""Fetching revocation lists (CRL): from where the authorities at hand say that theirs lie, into ``crls/``.

Only certificates of known authorities are believed about that, as anybody can present one that names an
address inside somebody's network. The addresses are mostly plain HTTP: what is kept bears the signature of
an authority that is trusted, is complete, and is not older than the one kept before.
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
from mssante_audit.observe.kinds import find_observations
from mssante_audit.observe.tls.chain import issued, loaded
from mssante_audit.observe.tls.observation import load_tls
from mssante_audit.whitelist.certificates import UNREADABLE, is_authority, of_sample
from mssante_audit.whitelist.load import load_whitelist
from mssante_audit.whitelist.revocation import MAX_FILE, SUFFIX, RevocationList, read_crl
from mssante_audit.whitelist.signature import signer_of, trust

FOLDER = "crls"
"""Where they are kept, in the data folder."""
MOST = 50
"""Addresses that are asked."""
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
    whitelist: Path | None = None,
    urls: Iterable[str] = (),
) -> list[Fetched]:
    """Fetch revocation lists into ``crls/`` of a data folder.

    Parameters
    ----------
    folder
        The data folder: IGC-Santé's certificates there, and those of the servers that its newest observation
        has, say where revocation lists lie.
    anchors
        Certificates to trust beside those.
    settings
        How they are fetched; the address in there is not looked at.
    whitelist
        A list: the certificate that it is signed with says so, too.
    urls
        Addresses to ask instead of those that certificates name.

    Raises
    ------
    InputError
        If no authority is known, none names a list, or an anchor cannot be read.
    OutputError
        If the folder cannot be written.
    """
    known = _authentic(folder, whitelist, trust([*anchors, *of_sample(folder)], folder)[0])
    if not known:
        raise InputError(
            "no certificate of an authority here", file=str(folder), remedy="Name some with --anchors"
        )
    asked = list(dict.fromkeys(urls or (url for one in known for url in points(one))))[:MOST]
    if not asked:
        raise InputError(
            "no certificate here names a revocation list", file=str(folder), remedy="Name one with --url"
        )
    how = replace(settings or Settings(""), max_bytes=MAX_FILE, plain=True)
    authorities = [one for one in known if is_authority(one)]
    with writing(folder):
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    return [_fetch(folder / FOLDER, url, authorities, how) for url in asked]


def points(certificate: x509.Certificate) -> Iterator[str]:
    """Yield the web addresses where a certificate says that revocation lists lie (RFC 5280, 4.2.1.13)."""
    with suppress(x509.ExtensionNotFound, *UNREADABLE):
        for point in certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value:
            for name in point.full_name or ():
                if isinstance(name, x509.UniformResourceIdentifier) and _WEB.match(name.value):
                    yield name.value


def _authentic(
    folder: Path, whitelist: Path | None, trusted: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificates at hand that are trusted, or issued by one that is."""
    found = list(dict.fromkeys(trusted))
    seen = []
    if whitelist:
        with suppress(InputError):  # one that cannot be read names nothing
            seen += [one for one in [signer_of(load_whitelist(whitelist))] if one]
    for file in find_observations(folder, "tls")[:1]:
        with suppress(InputError):
            seen += [one for der in load_tls(file.path).certificates.values() if (one := loaded(der))]
    for one in sorted(seen, key=is_authority, reverse=True):  # those in between before the servers'
        if any(is_authority(other) and issued(one, other) for other in found):
            found.append(one)
    return list(dict.fromkeys(found))


def _fetch(folder: Path, url: str, authorities: Sequence[x509.Certificate], how: Settings) -> Fetched:
    file = folder / _named(url)
    try:
        content = download(replace(how, url=url)).content
    except FetchError as error:
        return Fetched(url, "refused", error.message)
    got = read_crl(content)
    if got is None:
        return Fetched(url, "refused", "what came is no revocation list")
    if not any(got.signed_by(one) for one in authorities):
        return Fetched(url, "refused", "no authority known here signed it")
    if not got.complete:
        return Fetched(url, "refused", "it is not complete: a delta, or only for some reasons")
    before = read_crl(file.read_bytes()) if file.is_file() else None
    outcome = _compared(got, before, authorities)
    if outcome == "kept":
        write_bytes(file, content)
    own = before if outcome == "older" and before else got
    told = (own.crl.last_update_utc, own.crl.next_update_utc, len(own.crl))
    return Fetched(url, outcome, "", file, *told)


def _compared(
    got: RevocationList, before: RevocationList | None, authorities: Sequence[x509.Certificate]
) -> str:
    """Tell whether a list is new: who could hand out an old one could hide a revocation."""
    if before is None or not any(before.signed_by(one) for one in authorities):
        return "kept"
    if got.crl.issuer != before.crl.issuer or got.crl.last_update_utc > before.crl.last_update_utc:
        return "kept"
    return "same" if got.crl == before.crl else "older"


def _named(url: str) -> str:
    """Return the name of a file for what lies at an address.

    >>> _named("http://igc-sante.esante.gouv.fr/CRL/ACI-EL-ORG.crl")
    'ACI-EL-ORG-98aa7458.crl'
    """
    last = urlsplit(url).path.rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", last.removesuffix(SUFFIX))[:60].strip("-") or "list"
    return f"{stem}-{digest(url)[:8]}{SUFFIX}"
