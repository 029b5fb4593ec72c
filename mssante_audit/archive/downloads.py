"""Fetching what lies beside the list: revocation lists (CRL) into ``crls/``, the extraction of mailboxes.

Anybody can present a certificate that names an address inside somebody's network: only known authorities are
believed to say where revocation lists lie. Of each issuer and scope one is kept, complete and signed, never
an older one in its place; one that is replaced stays, under its date, where it revokes what its successor no
longer names.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
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
from mssante_audit.mailboxes.extraction import PUBLISHED, Extraction, dated, made_at
from mssante_audit.observe.file import find_observations
from mssante_audit.observe.tls.chain import issued, loaded
from mssante_audit.observe.tls.observation import load_tls
from mssante_audit.whitelist.certificates import extension_of, fingerprint, is_authority, of_sample
from mssante_audit.whitelist.load import content_of
from mssante_audit.whitelist.revocation import MAX_FILE, SUFFIX, find_crls, load_crl, read_crl
from mssante_audit.whitelist.signature import signer_of, trust

FOLDER = "crls"  # of revocation lists, in the data folder
MOST = 50  # addresses that are asked
MAX_BYTES = 256 * 2**20  # of an extraction: some twelve times the archive of 2026, three times its text
_NAMED = re.compile(rf"-[0-9a-f]{{8}}\{SUFFIX}\Z")  # how the names of lists that were fetched end
_WEB = re.compile(r"https?://[!-~]{1,2000}\Z", re.IGNORECASE)
# Path at static.data.gouv.fr, which has the time of its copy, minutes after that of the extraction.
_MIRRORED = re.compile(r"(?i)/(\d{8})-(\d{4})\d\d/extraction-correspondance-mssante\.(?:txt|zip)$", re.A)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one address: ``kept``, ``same``, ``older`` (the one here stays) or ``refused``."""

    url: str
    outcome: str
    message: str = ""
    file: Path | None = None
    made: datetime | None = None
    due: datetime | None = None  # when its successor is, if it says so
    size: int = 0  # how many certificates it names

    @property
    def line(self) -> str:
        """One line on it."""
        if self.outcome == "refused":
            return f"refused: {self.message} (from {self.url})"
        due = f", due {self.due:%Y-%m-%d}" if self.due else ", which does not say when its successor is due"
        late = ": stale already" if self.due and self.due < datetime.now(UTC) else ""
        dates = f"of {self.made:%Y-%m-%d}{due}{late}"
        return f"{self.outcome} {self.file}: {self.size} revoked, {dates} (from {self.url})"


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
    servers in the newest observation say where revocation lists lie, unless `urls` are given. If no authority
    is known, or none names a list, it is an `InputError`.
    """
    authorities = trust([*anchors, *of_sample(folder)], folder)[0]
    certs = [signer for file in whitelists if (signer := signer_of(content_of(file)))]
    for file in find_observations(folder, "tls")[:1]:
        with suppress(InputError):
            ders = load_tls(file.path).certificates.values()
            certs += [certificate for der in ders if (certificate := loaded(der))]
    for certificate in sorted(certs, key=is_authority, reverse=True):  # those in between before the servers'
        if any(is_authority(other) and issued(certificate, other) for other in authorities):
            authorities.append(certificate)
    authorities = list(dict.fromkeys(authorities))
    if not authorities:
        remedy = "Name some with --anchors"
        raise InputError("no certificate of an authority here", file=str(folder), remedy=remedy)
    points = (url for certificate in authorities for url in _points(certificate))
    sources = list(dict.fromkeys(urls or points))[:MOST]
    if not sources:
        remedy = "Name one with --url"
        raise InputError("no certificate here names a revocation list", file=str(folder), remedy=remedy)
    crl_settings = replace(settings or Settings(""), max_bytes=MAX_FILE, plain=True)
    with writing(folder):
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    return [_fetch(folder / FOLDER, url, authorities, crl_settings) for url in sources]


def _points(certificate: x509.Certificate) -> list[str]:
    """Return the web addresses where a certificate says that revocation lists lie (RFC 5280, 4.2.1.13)."""
    points = extension_of(certificate, x509.CRLDistributionPoints) or ()
    names = [name for point in points for name in point.full_name or ()]
    uris = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return [uri for uri in uris if _WEB.match(uri)]


def _fetch(folder: Path, url: str, authorities: Sequence[x509.Certificate], settings: Settings) -> Fetched:
    try:
        content = download(replace(settings, url=url)).content
    except FetchError as error:
        return Fetched(url, "refused", error.message)
    if (new := read_crl(content)) is None:
        return Fetched(url, "refused", "what came is no revocation list")
    issuer = next((c for c in authorities if is_authority(c) and new.signed_by(c)), None)
    if issuer is None:
        return Fetched(url, "refused", "no authority known here signed it")
    if not new.complete:
        return Fetched(url, "refused", "it is not complete: a delta, or only for some reasons")
    lists = [(file, old) for file in find_crls(folder) if (old := load_crl(file))]
    # Of the same issuer, and about the same certificates.
    same = [(f, old) for f, old in lists if old.signed_by(issuer) and old.complete and old.scope == new.scope]
    ours = [(file, old) for file, old in same if _NAMED.search(file.name)]
    last = urlsplit(url).path.rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9-]+", "-", last.removesuffix(SUFFIX))[:60].strip("-") or "list"
    issuer_id = digest(fingerprint(issuer).encode() + new.scope)[:8]
    target, current, outcome = ours[0][0] if ours else folder / f"{stem}-{issuer_id}{SUFFIX}", new, "kept"
    if newer := [(file, old) for file, old in same if not new.newer_than(old)]:
        target, current = newer[0]
        outcome = "older" if current.newer_than(new) else "same"
    else:
        for file, old in ours:
            if old.revokes(authorities) - new.revokes(authorities):
                dated_name = f"{file.stem}-{old.crl.last_update_utc:%Y-%m-%dT%H%M%S}{SUFFIX}"
                write_bytes(file.with_name(dated_name), read_bytes(file, MAX_FILE))
        write_bytes(target, content)
    crl = current.crl
    return Fetched(url, outcome, "", target, crl.last_update_utc, crl.next_update_utc, len(crl))


def fetch_extraction(folder: Path, settings: Settings) -> tuple[Path, Extraction | None]:
    """Fetch today's extraction into a data folder; return its file, and what it says if that is new.

    A damaged or wrong file is an `AuditError`.
    """
    reply = download(replace(settings, had=lambda head: _stored_file(folder, head) is not None))
    existing = _stored_file(folder, reply.head)
    if reply.unchanged and existing is not None:
        return existing, None
    suffix = "zip" if reply.content.startswith(b"PK\x03\x04") else "txt"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".extraction-", dir=folder) as temporary:
            draft = Path(temporary, f"Extraction_Correspondance_MSSante.{suffix}")
            draft.write_bytes(reply.content)
            instant = _made_at(reply.head) or dated(draft)
            if instant is None:
                message = "the answer does not tell when the extraction was made"
                remedy = "Give ANS's address, or data.gouv.fr's with --url"
                raise FetchError(message, file=settings.shown, remedy=remedy)
            extraction = Extraction(_file_name(instant, suffix), instant, draft)
            if damage := extraction.counts.damage:
                raise FetchError("what came is damaged ({})", damage, file=settings.shown, remedy="Try again")
            os.replace(draft, folder / extraction.source)
    return folder / extraction.source, extraction


def _stored_file(folder: Path, head: str) -> Path | None:
    instant = _made_at(head)
    named = [folder / _file_name(instant, suffix) for suffix in ("zip", "txt")] if instant else []
    return next((file for file in named if file.is_file()), None)


def _made_at(head: str) -> datetime | None:
    """Return when an extraction was made, by the file name or address in the response head."""
    published = PUBLISHED.search(_MIRRORED.sub(r"/Extraction_Correspondance_MSSante_\1\2.zip", head))
    return made_at(published[0]) if published else None


def _file_name(instant: datetime, suffix: str) -> str:
    return f"Extraction_Correspondance_MSSante_{instant:%Y%m%d%H%M}.{suffix}"
