"""Observe the DNS: ask it about every domain of a list, never by AXFR, and write down what it says."""

import asyncio
import fnmatch
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import dns.rdata

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.observe.dns.asker import Asker
from mssante_audit.observe.dns.exchange import obtained
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.resolve import Resolver
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.walk import Walker
from mssante_audit.observe.file import DNS, ELSE_RESUME, Progress, Report, Writer
from mssante_audit.observe.observation import Observation, load_observation

__all__ = ["NetworkError", "ObserveSettings", "Progress", "Summary", "observe"]


class NetworkError(AuditError, ConnectionError):
    """No network, or none of the parent zone's servers answers."""


class Summary(NamedTuple):
    """What an observation did.

    `not_names` are domains that the DNS cannot carry, and were not asked for; `ignored` counts messages that
    answered nothing asked: spoofed, or from servers that answer from elsewhere.
    """

    domains: int
    not_names: tuple[str, ...]
    queries: int
    outcomes: dict[str, int]
    ignored: int
    seconds: float


def observe(
    domains: Iterable[str],
    out: str | Path,
    settings: ObserveSettings | None = None,
    *,
    resume: bool = False,
    progress: Report | None = None,
) -> Summary:
    """Observe domains, as the white list writes them, and write the observation file.

    `out` is a new file; with `resume`, one to go on with: what it holds is not asked again. `NetworkError`
    if there is no network or no server of the parent zone answers (nothing is written then). `OutputError` if
    the file exists (without `resume`) or cannot be written (what was written stays readable);
    `ObservationError` if the file to go on with is not an observation.
    """
    settings = settings or ObserveSettings()
    return asyncio.run(_observe(list(dict.fromkeys(domains)), Path(out), settings, resume, progress))


def observe_now(domain: str, **settings: Any) -> Observation:
    """Observe one domain, if one is named, into a file that is thrown away (with other `ObserveSettings`)."""
    # Somebody is waiting, and it is one domain: some ten questions to each server, that decide.
    pace = {"retry_delay": 1.0, "per_server": 200.0}
    with TemporaryDirectory(prefix="mssante-audit-") as folder:
        file = Path(folder, "dns.jsonl.gz")
        observe([domain] if domain else [], file, ObserveSettings(**(pace | settings)))
        return load_observation(file)


async def _observe(
    domains: list[str], out: Path, settings: ObserveSettings, resume: bool, progress: Report | None
) -> Summary:
    start, complete, done = time.monotonic(), False, 0
    if not resume and out.exists():
        raise InputError("exists already", file=str(out), remedy=ELSE_RESUME)
    chosen = [d for d in domains if not settings.only or fnmatch.fnmatch(d.lower(), settings.only.lower())]
    names = {domain: canonical(domain) for domain in chosen}
    buffered: list[dict[str, Any]] = []  # until a server of the parent zone answers
    asker, sibling = Asker(settings, buffered.append), secrets.token_hex(8)
    writer: Writer | None = None

    def report() -> None:
        if progress:
            quiet = {place for (place, _), lane in asker.lanes.items() if lane.doubtful and not complete}
            spent = time.monotonic() - start
            progress(Progress(done, len(names), asker.outcomes, asker.sent, spent, tuple(sorted(quiet))))

    async def work(todo: Iterable[tuple[str, str]]) -> None:
        nonlocal done
        for domain, name in todo:
            if name:
                await walker.walk(domain, name)
            done += 1

    try:
        await obtained(dns.rdata.load_all_types)  # later there may be no descriptor to load one with
        resolver = Resolver(asker)
        if not resolver.reachable:
            raise NetworkError("no network: no route to any server", remedy="Nothing was written")
        if resume:
            writer = Writer(out, resume=True)
            if out.stat().st_size:  # else it was killed before its first line
                before = load_observation(out)
                asker.go_on(before.replies)
                sibling = before.siblings[0] or sibling
                writer.mend()
        walker = Walker(asker, resolver, sibling)
        if not await walker.find_parent():
            message, remedy = "no server of {} answers", "Nothing was written: try again later"
            raise NetworkError(message, settings.parent_zone, remedy=remedy)
        if writer is None:
            writer = await obtained(partial(Writer, out))
        written = settings.model_dump(exclude={"root", "enabled"}) | {"capitals": True}
        if settings.undelegated:
            written["parent_servers"] = walker.servers
        writer.begin(
            DNS, parent_zone=settings.start_zone, sibling=sibling, ipv6=resolver.ipv6, domains=len(chosen),
            resumed=resume, settings=written,
        )  # fmt: skip
        for content in buffered:
            writer.write(content)
        asker.write = writer.write
        todo = iter(names.items())
        walks = (work(todo) for _ in range(min(1000, len(names))))  # they wait for one another's servers
        await _while_flushing(writer, report, walker.look_at_parent(), *walks)
        complete = True
    finally:
        if writer is not None:
            facts = {"queries": asker.sent, "late": asker.late, "ignored": dict(asker.ignored)}
            writer.finish(complete=complete, **facts)
    report()
    not_names = tuple(domain for domain, name in names.items() if not name)
    counts = asker.sent, dict(asker.outcomes), asker.ignored.total()
    return Summary(len(names), not_names, *counts, time.monotonic() - start)


async def _while_flushing(writer: Writer, report: Callable[[], None], *works: Awaitable[Any]) -> None:
    """Wait for all of `works`, flushing and calling `report` twice a second; the first error ends all."""
    future = asyncio.gather(*works)
    try:
        while not future.done():
            report()
            writer.flush()
            await asyncio.wait({future}, timeout=0.5)
        future.result()
    finally:
        future.cancel()
        await asyncio.gather(future, return_exceptions=True)
