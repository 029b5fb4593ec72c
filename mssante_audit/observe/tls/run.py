"""Observe TLS: visit each mail server that the DNS names, gently, and write down what it presents.

The only place where the network is used for mail servers, and nothing is ever sent to them but EHLO,
STARTTLS and QUIT; audits read the file (`mssante_audit.observe.tls.observation`).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mssante_audit.base.digest import digest
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.observation import (
    FORMAT,
    MAX_CERTIFICATE,
    TELLING,
    VERSION,
    check_header,
    read_certificate,
    read_visit,
)
from mssante_audit.observe.tls.visit import Offers, Visit, offers_of, visit
from mssante_audit.observe.writer import Writer, while_flushing

ATTEMPTS = 3
"""Connections to one address in a run, at most."""
SLOWER = 5
"""A second and a third visit are made by so many times fewer connections at once."""


NOT_TOLD = {"enabled", "try_host", "client_certificate", "client_key"}
"""Settings that the file's header does not have."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server to visit."""

    address: str
    port: int
    hosts: tuple[str, ...]
    """The names of mail exchangers that lead there, sorted."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an observation has come."""

    done: int
    total: int
    outcomes: Mapping[str, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What an observation did."""

    path: Path
    servers: int
    known: int
    """Servers that were not visited: the file that was gone on with tells of them."""
    visits: int
    outcomes: Mapping[str, int]
    """Servers by what the last visit to them ended with."""
    seconds: float


def servers_of(hosts: Mapping[str, Sequence[str]], port: int) -> list[Server]:
    """Return the servers at a port behind mail exchangers (name → addresses), each address once."""
    names: dict[str, set[str]] = {}
    for host, addresses in hosts.items():
        for address in addresses:
            names.setdefault(address, set()).add(host)
    return [Server(address, port, tuple(sorted(own))) for address, own in sorted(names.items())]


def observe_tls(
    servers: Sequence[Server],
    out: str | Path,
    settings: ObserveTls | None = None,
    *,
    dns: str = "",
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Visit mail servers and write the observation file.

    A visit that says nothing of a server's certificate is made again, twice at most, after all others and
    `pause` seconds after the last one to that address.

    Parameters
    ----------
    servers
        Whom to visit.
    out
        A new file; with `resume`, one to go on with: whom it tells of is not visited again.
    settings
        Defaults of `ObserveTls` if not given.
    dns
        Name of the observation of the DNS that named the servers.
    resume
        Go on with an observation that was stopped.
    progress
        Called a few times a second.

    Raises
    ------
    OutputError
        If the file exists (without `resume`) or cannot be written; what was written stays readable.
    ObservationError
        If the file to go on with is no observation of TLS.
    ParameterError
        If the client's certificate or its key cannot be used.
    """
    settings = settings or ObserveTls()
    run = _Run(settings, offers_of(settings), Path(out), progress)
    return asyncio.run(run.go(list(servers), dns, resume=resume))


@dataclass
class _Run:
    """A run under way."""

    settings: ObserveTls
    offers: Offers
    out: Path
    progress: Callable[[Progress], None] | None
    start: float = field(default_factory=time.monotonic)
    written: set[str] = field(default_factory=set)
    """Hashes of the certificates that the file has."""
    last: dict[Server, str] = field(default_factory=dict)
    """What the last visit ended with."""
    left: dict[str, float] = field(default_factory=dict)
    """When the last visit to an address was over."""
    visits: int = 0

    async def go(self, servers: list[Server], dns: str, *, resume: bool) -> Summary:
        writer, complete = Writer(self.out, resume=resume), False
        told: set[tuple[str, int]] = set()
        try:
            if resume:
                told = self._known(writer.mend(check_header))
            todo = [one for one in servers if (one.address, one.port) not in told]
            writer.write(
                {
                    "format": FORMAT, "version": VERSION, "at": instant(datetime.now(UTC)),
                    "tool": version("mssante-audit"), "dns": dns, "servers": len(todo), "resumed": resume,
                    "settings": self.settings.model_dump(exclude=NOT_TOLD),
                }
            )  # fmt: skip
            writer.flush()
            await while_flushing(writer, lambda: self._tell(len(todo)), self._rounds(todo, writer))
            complete = True
        finally:
            end = {"end": instant(datetime.now(UTC)), "complete": complete, "visits": self.visits}
            writer.finish(end, failing=not complete)
        counts, known = dict(Counter(self.last.values())), len(servers) - len(todo)
        return Summary(self.out, len(servers), known, self.visits, counts, time.monotonic() - self.start)

    async def _rounds(self, todo: list[Server], writer: Writer) -> None:
        """Visit all, then again those whose visit told nothing, at a lower pace."""
        for attempt in range(1, ATTEMPTS + 1):
            at_once = self.settings.in_flight if attempt == 1 else max(1, self.settings.in_flight // SLOWER)
            waiting = iter(todo)
            works = (self._work(waiting, attempt, writer) for _ in range(min(at_once, len(todo))))
            await asyncio.gather(*works)
            todo = [one for one in todo if self.last[one] not in (*TELLING, "no-source")]

    async def _work(self, waiting: Iterator[Server], attempt: int, writer: Writer) -> None:
        for server in waiting:
            rest = self.left.get(server.address, -1e9) + self.settings.pause - time.monotonic()
            await asyncio.sleep(max(0.0, rest))
            at = datetime.now(UTC)
            name = next(iter(server.hosts), "")
            # Some servers end a handshake that offers them more than they know.
            oldest = self.last.get(server) == "handshake-failed"
            seen = await visit(server.address, server.port, name, self.settings, self.offers, oldest=oldest)
            self.left[server.address] = time.monotonic()
            self.last[server] = seen.outcome
            self.visits += 1
            for content in lines_of(server, seen, at, attempt, self.written):
                writer.write(content)

    def _known(self, lines: Iterator[dict[str, Any]]) -> set[tuple[str, int]]:
        """Return the servers that the lines tell of; take note of the certificates."""
        found = set()
        for content in lines:
            with suppress(ValueError):
                if "certificate" in content:
                    self.written.add(read_certificate(content)[0])
                elif not {"format", "end"} & content.keys():
                    one = read_visit(content)
                    if one.outcome in TELLING and self.written.issuperset(one.chain):
                        found.add((one.address, one.port))
        return found

    def _tell(self, total: int) -> None:
        if self.progress:
            counts = Counter(self.last.values())
            done, seconds = sum(counts[one] for one in TELLING), time.monotonic() - self.start
            self.progress(Progress(done, total, counts, seconds))


def lines_of(
    server: Server, seen: Visit, at: datetime, attempt: int, written: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a visit: certificates that are not `written` yet, then the visit."""
    chain = [digest(der) for der in seen.chain]
    for name, der in zip(chain, seen.chain, strict=True):
        if name not in written and len(der) <= MAX_CERTIFICATE:
            written.add(name)
            yield {"certificate": name, "der": base64.b64encode(der).decode()}
    yield {
        "at": instant(at), "address": server.address, "port": server.port, "hosts": list(server.hosts),
        "attempt": attempt, "outcome": seen.outcome, "detail": seen.detail, "banner": seen.banner,
        "protocol": seen.protocol, "cipher": seen.cipher, "demanded": seen.demanded, "chain": chain,
        "seconds": seen.seconds,
    }  # fmt: skip
