"""Observe TLS: visit each mail server that the DNS names, gently, and write down what it presents.

Nothing is ever sent to mail servers but EHLO, STARTTLS and QUIT. A visit is a thread: against asyncio it
takes three quarters of the CPU, and OpenSSL works beside Python.
"""

import base64
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import ResourceError
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.file import TLS, Progress, Report, Writer
from mssante_audit.observe.lines import Clock, instant
from mssante_audit.observe.tls.chain import leaf_of
from mssante_audit.observe.tls.observation import NOT_VISITED, TELLING, Visited, load_tls
from mssante_audit.observe.tls.visit import Visit, offers_of, visit
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import grouped

ATTEMPTS = 3  # connections to one address in a run, at most
_TICK = 0.5  # seconds between two looks at what waits to be written or reported


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server to visit; `listed` has by host the keys (`DN.key`) of the names that its domains have."""

    address: str
    port: int
    hosts: tuple[str, ...]
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)


class Summary(NamedTuple):
    """What an observation did; `known` servers were not visited: the file gone on with tells of them."""

    servers: int
    known: int
    visits: int
    outcomes: Mapping[str, int]
    seconds: float


def servers_of(
    hosts: Mapping[str, Sequence[str]], port: int, listed: Mapping[str, frozenset[str]] | None = None
) -> list[MailServer]:
    """Return the servers at a port behind mail exchangers (name → addresses), each address once."""
    names = grouped((address, host) for host, addresses in hosts.items() for address in {*addresses})
    keys = listed or {}
    return [
        MailServer(address, port, tuple(sorted(at)), {host: keys[host] for host in at if host in keys})
        for address, at in sorted(names.items())
    ]


def observe_tls(
    servers: Sequence[MailServer],
    out: str | Path,
    settings: ObserveTls | None = None,
    *,
    dns: str = "",
    resume: bool = False,
    progress: Report | None = None,
) -> Summary:
    """Visit mail servers and write the observation file; `dns` names the one of the DNS that named them.

    Servers are visited without SNI, as Postfix does. After all first visits, and `pause` seconds after the
    last one to that address, whoever showed no certificate is visited again, and who presents
    another one than listed is asked for it by name (SNI).

    `out` is a new file; with `resume`, one to go on with: whom it tells of is not visited again.
    `OutputError` if it exists (without `resume`) or cannot be written (what was written stays readable),
    `ObservationError` if it is none of TLS, `ParameterError` for settings that nobody can use,
    `ResourceError` without a file descriptor.
    """
    settings = settings or ObserveTls()
    run, start, complete = _Run(settings), time.monotonic(), False
    writer = Writer(Path(out), resume=resume)
    try:
        if resume:
            run.go_on(writer)
        known = sum(run.next_visit(server) is None for server in servers)
        written = settings.model_dump(exclude={"enabled", "try_host", "client_certificate", "client_key"})
        writer.begin(TLS, dns=dns, servers=len(servers) - known, resumed=resume, settings=written)
        run.visit_all(servers, writer, progress)
        complete = True
    finally:
        writer.finish(complete=complete, visits=run.visits)
    return Summary(len(servers), known, run.visits, run.counts(servers), time.monotonic() - start)


Result = tuple[MailServer, datetime, Visit]


class _Run:
    def __init__(self, settings: ObserveTls) -> None:
        self.settings, self.offers, self.clock = settings, offers_of(settings), Clock()
        self.met: defaultdict[tuple[str, int], list[Visited]] = defaultdict(list)
        """What visits met, by address and port."""
        self.certificates: dict[str, bytes] = {}
        """Those that the file has, by SHA-256."""
        self.ended: dict[tuple[str, int], float] = {}
        self.visits = 0

    def go_on(self, writer: Writer) -> None:
        """Take note of what a file tells; a visit whose certificates it lacks tells nothing."""
        if writer.path.stat().st_size:  # else a run was killed before its first line
            before = load_tls(writer.path)
            self.certificates |= before.certificates
            for visited in before.visits:
                if self.certificates.keys() >= {*visited.chain}:
                    self.met[visited.address, visited.port].append(visited)
            writer.mend()

    def next_visit(self, server: MailServer) -> str | None:
        """Return the name to ask a server for ("" for a visit without SNI), ``None`` if it needs no visit."""
        visits = self.met[server.address, server.port]
        plain = [visited for visited in visits if not visited.sni]
        named = any(visited.sni and visited.outcome in TELLING for visited in visits)
        if not plain:
            return ""
        visited = plain[-1]
        if visited.outcome == "handshake-failed" and len(plain) > 1 and server.hosts:
            return None if named else server.hosts[0]  # perhaps it wants a name
        if visited.outcome not in (*TELLING, *NOT_VISITED):
            return ""
        leaf = leaf_of(visited.chain, self.certificates)
        if visited.outcome != "presented" or named or not leaf:
            return None
        # A host for which something else is listed than was presented.
        key = parse_dn(leaf.subject).key if leaf.in_time(visited.at) and leaf.subject != leaf.issuer else ""
        return next((host for host in server.hosts if key not in server.listed.get(host, {key})), None)

    def visit_all(self, servers: Sequence[MailServer], writer: Writer, progress: Report | None) -> None:
        """Visit all, then again those of which too little is known, at a lower pace."""
        for attempt in range(1, ATTEMPTS + 1):
            pending = [(server, name) for server in servers if (name := self.next_visit(server)) is not None]
            at_once = self.settings.in_flight if attempt == 1 else max(1, self.settings.in_flight // 5)
            flushed = time.monotonic()
            for result in self._results(pending, at_once):
                if result:
                    self.visits += 1
                    server, at, visited = result
                    for line in lines_of(server, visited, at, attempt, self.certificates):
                        writer.write(line)
                    self.met[server.address, server.port].append(Visited(**line | {"at": at}))
                if not result or time.monotonic() > flushed + _TICK:
                    flushed = time.monotonic()
                    writer.flush()
                    if progress:
                        counts = self.counts(servers)
                        progress(Progress(sum(counts[outcome] for outcome in TELLING), len(servers), counts))

    def _results(self, pending: Iterable[tuple[MailServer, str]], most: int) -> Iterator[Result | None]:
        """Yield visits as they end, each made by a thread, so many at once; ``None`` while none ends.

        Where this machine lacks what a visit takes there are fewer, and one more after each that ends.
        """
        at_once = most
        results: SimpleQueue[tuple[MailServer, str, datetime, Visit | Exception]] = SimpleQueue()
        waiting, at_work, stopped = deque(pending), 0, threading.Event()

        def work(server: MailServer, name: str) -> None:
            place = server.address, server.port
            begin = self.ended.get(place, -1e9) + self.settings.pause
            if stopped.wait(max(0.0, begin - time.monotonic())):
                return
            failed = any(visited.outcome == "handshake-failed" for visited in self.met[place])
            at = self.clock.now()
            outcome: Visit | Exception
            try:
                outcome = visit(*place, name, self.settings, self.offers, oldest=failed and not name)
                self.ended[place] = time.monotonic()
            except Exception as error:
                outcome = error
            results.put((server, name, at, outcome))

        try:
            while waiting or at_work:
                while waiting and at_work < at_once:
                    try:  # nobody waits for those that still talk when a run is broken off
                        threading.Thread(target=work, args=waiting[0], daemon=True).start()
                    except RuntimeError:
                        if not at_work:
                            raise ResourceError("no room for a thread on this machine") from None
                        at_once = at_work
                    else:
                        waiting.popleft()
                        at_work += 1
                try:
                    server, name, at, outcome = results.get(timeout=_TICK)
                except Empty:
                    yield None
                    continue
                at_work -= 1
                if isinstance(outcome, ResourceError) and at_work:  # there is room for those at work
                    waiting.append((server, name))
                    at_once = at_work
                elif isinstance(outcome, Exception):
                    raise outcome
                else:
                    at_once = min(most, at_once + 1)
                    yield server, at, outcome
        finally:
            stopped.set()

    def counts(self, servers: Iterable[MailServer]) -> Counter[str]:
        """Return how many servers ended with what; one that was not visited yet does not count."""
        visits = (self.met[server.address, server.port] for server in servers)
        plain = ([visited.outcome for visited in of_server if not visited.sni] for of_server in visits)
        return Counter(outcomes[-1] for outcomes in plain if outcomes)


def lines_of(
    server: MailServer, seen: Visit, at: datetime, attempt: int, written: dict[str, bytes]
) -> Iterator[dict[str, Any]]:
    """Yield the lines of a visit: certificates not `written` yet (DER by SHA-256), then the visit."""
    chain = [digest(der) for der in seen.chain]
    for name, der in zip(chain, seen.chain, strict=True):
        if name not in written:
            written[name] = der
            yield {"certificate": name, "der": base64.b64encode(der).decode()}
    facts = asdict(seen) | {"at": instant(at), "address": server.address, "port": server.port, "chain": chain}
    facts |= {"hosts": list(server.hosts), "attempt": attempt}
    yield {name: facts[name] for name in Visited._fields}
