"""Fetching the published list: bounded in size and time, over verified TLS, and kept in the archive.

The server's certificate is IGC-Santé's, which no system trusts: `Settings.ca_bundle` names what to trust.
There is no way to leave verification out; plain HTTP is for a server on this very machine only.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import GOOD, MAX_LOSS, Archive, LogLine, append, keep, locked
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import FetchError, InputError
from mssante_audit.base.secret import masked_url
from mssante_audit.base.settings import LOOPBACK
from mssante_audit.whitelist.certificates import tls_context
from mssante_audit.whitelist.load import content_of, is_html

REDIRECTS = 5
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "mssante-audit"}
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Settings:
    """How a list is fetched."""

    url: str = field(repr=False)
    ca_bundle: Path | None = None  # a file or folder of certificates to trust for TLS instead of the system's
    max_bytes: int = 64 * 2**20  # largest answer: some 17 times the list of 2025
    connect_seconds: float = 10
    read_seconds: float = 30  # longest silence
    attempt_seconds: float = 300  # longest attempt, however regularly the bytes come
    attempts: int = 3
    backoff_seconds: float = 1  # pause after an attempt, doubled each time, or what the server asks for
    max_loss: float = MAX_LOSS  # share of rows lost from which a list is flagged
    plain: bool = False  # whether plain HTTP will do: where what comes bears a signature that is checked
    had: Callable[[str], bool] = lambda head: False  # tells by `Download.head` what need not be read on

    @property
    def shown(self) -> str:
        """The address without credentials, as it is shown and logged."""
        return masked_url(self.url)

    def failed(
        self, code: str, why: str, *values: object, again: bool = False, remedy: str | None = None
    ) -> FetchError:
        """Return the error that tells why nothing could be had, and whether to try `again`."""
        error = FetchError(why, *values, file=self.shown, remedy=remedy)
        error.code, error.again = code, again
        return error


@dataclass(frozen=True, slots=True)
class Download:
    """A server's response, empty if unchanged; `head`: file name and path from its headers."""

    content: bytes
    unchanged: bool = False
    etag: str = ""
    last_modified: str = ""
    head: str = ""


def fetch(archive: Archive, settings: Settings, *, now: datetime | None = None) -> LogLine:
    """Fetch the list, store it and log the outcome; a failure is logged and a `FetchError`."""
    at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    record = LogLine(at, "fetch", "failed", source=settings.shown)
    with locked(archive.folder):
        fresh = replace(archive)
        last = _last(fresh, settings.shown)
        try:
            reply = download(settings, last)
        except FetchError as error:
            append(archive.folder, replace(record, message=error.message, doubt=error.code))
            raise
        record = replace(record, etag=reply.etag, last_modified=reply.last_modified)
        if reply.unchanged and last:
            record = replace(record, outcome="unchanged", file=last.file, rows=last.rows)
            return append(archive.folder, replace(record, sha256=last.sha256))
        record = keep(fresh, reply.content, record, settings.max_loss, now)
        if record.outcome in GOOD:  # "same": of a fetch that was killed before it came to this
            with suppress(InputError):  # a damaged older file is for `archive verify` to tell
                bring_up_to_date(replace(archive))
        return record


def _last(archive: Archive, url: str) -> LogLine | None:
    """Return the record of the last list had from this address, if that list is still there, and whole."""
    for record in reversed(archive.log):
        if record.source == url and record.outcome in (*GOOD, "quarantined"):
            named = [s for s in archive.snapshots if s.name == record.file and record.outcome in GOOD]
            return record if named and digest(content_of(named[0].path)) == record.sha256 else None
    return None


def download(settings: Settings, last: LogLine | None = None) -> Download:
    """Download the list if it differs from the `last` one; a refusal is a `FetchError`."""
    try:
        url = httpx.URL(settings.url)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    _check(url, url, settings)
    conditions = {"If-None-Match": last.etag, "If-Modified-Since": last.last_modified} if last else {}
    # A request's head is ASCII, whatever the answer's was.
    headers = HEADERS | {name: value for name, value in conditions.items() if value and value.isascii()}
    verified, attempt = tls_context(settings.ca_bundle), 1
    while True:
        try:
            return asyncio.run(_attempt(settings, verified, headers))
        except FetchError as error:
            if not error.again or attempt >= settings.attempts:
                raise
            time.sleep(max(min(error.pause, 60), settings.backoff_seconds * 2 ** (attempt - 1)))
        attempt += 1


def proxy_of(address: str) -> str:
    """Return the environment's proxy (``HTTPS_PROXY`` and so on) on the way to an address, "" for none."""
    url, proxies = httpx.URL(address), getproxies_environment()
    if url.host in LOOPBACK or proxy_bypass(url.host):
        return ""
    proxy = proxies.get(url.scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


async def _attempt(settings: Settings, verified: ssl.SSLContext, headers: Mapping[str, str]) -> Download:
    """Ask once, within one deadline: a time-out alone would begin again with each byte."""
    seconds, failed = settings.attempt_seconds, settings.failed
    timeout = httpx.Timeout(settings.read_seconds, connect=settings.connect_seconds)
    is_remote = httpx.URL(settings.url).host not in LOOPBACK
    try:
        client = httpx.AsyncClient(verify=verified, timeout=timeout, headers=headers, trust_env=is_remote)
    except (ImportError, ValueError):
        message, proxy = "the environment's proxy {} is of no kind that can be used", proxy_of(settings.url)
        remedy = "Set HTTPS_PROXY to http://HOST:PORT"
        raise failed("address", message, masked_url(proxy), remedy=remedy) from None
    try:
        async with asyncio.timeout(seconds), client:
            return await _follow(client, settings, conditional=len(headers) > len(HEADERS))
    except TimeoutError as error:
        raise failed("slow", "not done after {} s", f"{seconds:g}", again=True) from error
    except httpx.TimeoutException as error:
        raise failed("slow", "no answer in time ({})", type(error).__name__, again=True) from error
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, UnicodeError) as error:
        message = " ".join(str(error).split())[:200] or type(error).__name__
        if not isinstance(error, httpx.TransportError):
            raise failed("unusable", "the answer cannot be used ({})", message) from error
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise failed("connection", "the connection failed ({})", message, again=True) from error
        remedy = "Give the authority's certificates with --ca-bundle"
        raise failed(
            "certificate", "the server's certificate is not trusted ({})", message, remedy=remedy
        ) from error


async def _follow(client: httpx.AsyncClient, settings: Settings, *, conditional: bool) -> Download:
    """Follow redirects by hand: httpx would read all that comes with one."""
    url = first = httpx.URL(settings.url)
    for _ in range(REDIRECTS + 1):
        async with client.stream("GET", url) as response:
            if not response.has_redirect_location:
                return await _read(response, settings, conditional=conditional)
            where = response.headers["location"]
        url = url.join(where)
        _check(url, first, settings)
    raise settings.failed("unusable", "redirects more than {} times", REDIRECTS)


def _check(url: httpx.URL, first: httpx.URL, settings: Settings) -> None:
    """Refuse an address that is not https, or that a redirect leads to outside the domain of the first."""

    def site(host: str) -> str:  # the last two labels: what a redirect may not leave
        return host if host.replace(".", "").isdigit() or ":" in host else ".".join(host.split(".")[-2:])

    redirected = url != first
    try:
        sound = bool(url.host.encode("idna")) and 0 <= (url.port or 0) < 2**16
    except UnicodeError:  # of a label that is too long, or is none
        sound = False
    if not sound:
        message = "redirects to no web address" if redirected else "is no web address"
        raise settings.failed("address", message)
    plain = url.scheme == first.scheme == "http" and (settings.plain or url.host in LOOPBACK)
    if url.scheme != "https" and not plain:
        message = "redirects to a {} address, not https" if redirected else "is a {} address, not https"
        raise settings.failed("address", message, url.scheme or "relative", remedy="Give an https address")
    if site(url.host) != site(first.host):
        raise settings.failed("address", "redirects to another site, {}", url.host)


async def _read(response: httpx.Response, settings: Settings, *, conditional: bool) -> Download:
    status, headers, failed = response.status_code, response.headers, settings.failed
    facts = {
        "head": f"{headers.get('content-disposition', '')} {response.url.path}"[:2048],
        "etag": headers.get("etag", "")[:512],
        "last_modified": headers.get("last-modified", "")[:128],
    }
    if status == 304 and not conditional:
        raise failed("unusable", "the server says that nothing changed (304), and was not asked that")
    if status == 304 or (status == 200 and settings.had(facts["head"])):
        return Download(b"", unchanged=True, **facts)
    if status != 200:
        error = failed("status", "the server answers {}", status, again=status in _AGAIN)
        with suppress(ValueError):
            error.pause = max(0.0, float(headers.get("retry-after", "0")))
        raise error
    if headers.get("content-encoding", "identity").lower() not in ("identity", "gzip", "x-gzip"):
        raise failed("unusable", "the answer is encoded in a way that was not asked for")
    content = bytearray()
    # Raw: an answer compressed by gzip is a list compressed by gzip, and is not expanded here.
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > settings.max_bytes:
            raise failed("large", "the answer is larger than {} bytes", settings.max_bytes)
    if is_html(content) or headers.get("content-type", "").lower().startswith("text/html"):
        raise failed("html", "the answer is an HTML page, not a list (status 200)")
    if not content:
        raise failed("empty", "the answer is empty", again=True)
    return Download(bytes(content), **facts)
