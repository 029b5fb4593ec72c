"""Observe the DNS: ask it about every domain of a list and write down what it says.

The only place where the network is used for the DNS; audits read the file (`mssante_audit.network`). AXFR is
never asked for.
"""

from __future__ import annotations

import asyncio
import fnmatch
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.rdata

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.observe.dns.asker import Asker
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.resolve import Resolver
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.transport import obtained
from mssante_audit.observe.dns.walk import Walker
from mssante_audit.observe.lines import FORMAT, VERSION, instant
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.observe.writer import ELSE_RESUME, Writer, read_known, while_flushing

__all__ = ["NetworkError", "ObserveSettings", "Progress", "Summary", "observe"]

TOOL = version("mssante-audit")
WALKS = 1000
"""Domains under way at once: they wait for one another's servers, not for memory."""


class NetworkError(AuditError, ConnectionError):
    """No network, or none of the parent zone's servers answers."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an observation has come."""

    done: int
    total: int
    sent: int
    seconds: float
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What an observation did."""

    path: Path
    domains: int
    not_names: tuple[str, ...]
    """Domains of the list that the DNS cannot carry; they were not asked for."""
    queries: int
    outcomes: dict[str, int]
    ignored: int
    """Messages that answered nothing asked: spoofed, or from servers that answer from elsewhere."""
    seconds: float


def observe(
    domains: Iterable[str],
    out: str | Path,
    settings: ObserveSettings | None = None,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Observe domains and write the observation file.

    Parameters
    ----------
    domains
        As the white list writes them; each is observed once.
    out
        A new file; with `resume`, one to go on with: what it holds is not asked again.
    settings
        Defaults of `ObserveSettings` if not given.
    progress
        Called a few times a second.

    Raises
    ------
    NetworkError
        If there is no network or no server of the parent zone answers; nothing is written then.
    OutputError
        If the file exists (without `resume`) or cannot be written; what was written stays readable.
    ObservationError
        If the file to go on with is not an observation.
    """
    settings = settings or ObserveSettings()
    return asyncio.run(_observe(list(dict.fromkeys(domains)), Path(out), settings, resume, progress))


def observe_now(domain: str, **given: Any) -> Observation:
    """Observe one domain, if one is named, into a file that is thrown away; `given`: of `ObserveSettings`.

    Somebody is waiting, and it is one domain: some ten questions to each server, that decide.
    """
    pace = {"retry_delay": 1.0, "per_server": 200.0}
    with TemporaryDirectory(prefix="mssante-audit-") as folder:
        file = Path(folder, "dns.jsonl.gz")
        observe([domain] if domain else [], file, ObserveSettings(**(pace | given)))
        return load_observation(file)


async def _observe(
    domains: list[str],
    out: Path,
    settings: ObserveSettings,
    resume: bool,
    progress: Callable[[Progress], None] | None,
) -> Summary:
    start, begun = time.monotonic(), False
    if not resume and out.exists():
        raise InputError("exists already", file=str(out), remedy=ELSE_RESUME)

    def tell() -> None:
        if progress:
            silent = () if complete else tuple(asker.silent_addresses())
            progress(Progress(done, len(names), asker.sent, time.monotonic() - start, silent))

    chosen = [d for d in domains if not settings.only or fnmatch.fnmatch(d.lower(), settings.only.lower())]
    names = {domain: canonical(domain) for domain in chosen}
    asker = Asker(settings)
    writer: Writer | None = None
    complete, done = False, 0
    try:
        await obtained(dns.rdata.load_all_types)  # later there may be no descriptor to load one with
        resolver = Resolver(asker)
        if not resolver.reachable:
            raise NetworkError("no network: no route to any server", remedy="Nothing was written")
        sibling = secrets.token_hex(8)
        if resume:
            writer = Writer(out, resume=True)
            known, before = read_known(writer.mend())
            asker.known |= known
            sibling = before or sibling

        walker = Walker(asker, resolver, sibling)
        if not await walker.find_parent():
            raise NetworkError(
                f"no server of {settings.parent_zone} answers", remedy="Nothing was written: try again later"
            )
        if writer is None:
            writer = await obtained(partial(Writer, out))
        given = settings.model_dump(exclude={"root", "enabled"})
        if settings.undelegated:
            given["parent_servers"] = walker.servers
        writer.write(
            {
                "format": FORMAT, "version": VERSION, "at": instant(datetime.now(UTC)),
                "tool": TOOL, "parent_zone": settings.undelegated or settings.parent_zone, "sibling": sibling,
                "ipv6": resolver.ipv6, "domains": len(chosen), "resumed": resume,
                "settings": given,
            }
        )  # fmt: skip
        begun = True
        asker.write_to(writer)
        writer.flush()

        async def work(todo: Iterable[tuple[str, str]]) -> None:
            nonlocal done
            for domain, name in todo:
                if name:
                    await walker.walk(domain, name)
                done += 1

        todo = iter(names.items())
        walks = (work(todo) for _ in range(min(WALKS, len(names))))
        await while_flushing(writer, tell, walker.look_at_parent(), *walks)
        complete = True
    finally:
        if writer is not None:
            end = {
                "end": instant(datetime.now(UTC)), "complete": complete, "queries": asker.sent,
                "late": asker.late, "ignored": dict(asker.ignored),
            }  # fmt: skip
            writer.finish(end if begun else None, failing=not complete)
    tell()
    not_names = tuple(domain for domain, name in names.items() if not name)
    ignored, seconds = asker.ignored.total(), time.monotonic() - start
    return Summary(out, len(names), not_names, asker.sent, dict(asker.outcomes), ignored, seconds)
