"""Asking one question until it is answered or its server is called silent, and writing down every query."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import Any, TypeVar

from mssante_audit.observe.dns.pace import STREAK, Gate, Lane
from mssante_audit.observe.dns.reply import Malformed, classify, read_reply
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.transport import Exchange, Ignored, Udp, ask_tcp, query_wire
from mssante_audit.observe.lines import SILENT, Ask, Observed, instant
from mssante_audit.observe.writer import Writer, key

PATIENCE = 3
"""An address whose replies come after the time-out is given so many times as long from then on."""
_NO_EDNS = ("FORMERR", "NOTIMP", "16")
"""Rcodes of servers that do not take EDNS, or not its version (16: BADVERS)."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def once(done: dict[K, asyncio.Future[T]], what: K, do: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `do`, which only the first to want `what` has to run; the others wait for it.

    The first runs it itself: a task for each would cost as much as a query. If it fails, the run ends.
    """
    future = done.get(what)
    if future is not None:
        return future.result() if future.done() else await asyncio.shield(future)
    future = done[what] = asyncio.get_running_loop().create_future()
    try:
        result = await do()
    except asyncio.CancelledError:
        future.cancel()
        raise
    except Exception as error:
        future.set_exception(error)
        future.exception()  # it is told by whoever ran into it, waited for or not
        raise
    future.set_result(result)
    return result


class Asker:
    """Sends questions within the limits and writes what came of each.

    Without a `writer`, while it is not known yet whether there is a network, lines are kept.
    """

    def __init__(self, settings: ObserveSettings, writer: Writer | None = None) -> None:
        self.settings = settings
        self.known: dict[tuple[Any, ...], Observed] = {}
        self.ignored = Ignored()
        self.outcomes: Counter[str] = Counter()
        self.sent = 0
        self._loop = asyncio.get_running_loop()
        self._gate = Gate(settings)
        self._udp = Udp(settings.port, self.ignored, self._came_late)
        self._slow: set[str] = set()
        self._awaited: dict[tuple[Any, ...], asyncio.Future[None]] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._kept: list[dict[str, Any]] = []
        self.write: Callable[[dict[str, Any]], None] = writer.write if writer else self._kept.append
        """Writes a line."""

    async def ask(self, ask: Ask, *, patient: bool = True) -> Observed:
        """Ask, again if need be, and return the last thing observed.

        A silent server is tried again later only by who is `patient`: there may be others to ask. One that
        has answered over TCP, and over UDP never, is asked there.
        """
        before = self.known.get(key(ask))
        if before is not None and not self._worth_asking_again(before, patient=patient):
            return before
        observed = await self._persist(ask, before.attempt if before else 0, patient=patient)
        if observed.outcome in SILENT and not observed.attempt and self._tcp_only(ask.address):
            observed = await self._try_once(ask)
        silent = observed.outcome in SILENT and self._tcp_only(ask.address)
        if ask.transport == "udp" and (silent or observed.outcome == "truncated"):
            if not observed.attempt:  # not sent: it may be other questions only that are met with silence
                lane = self._lane(ask.address, "udp")
                await self._gate.enter(lane)
                observed = await self._once(ask, lane, 1, lane)
                if observed.outcome not in SILENT:
                    return observed
            return await self.ask(ask._replace(transport="tcp"), patient=patient)
        return observed

    def skip(self, ask: Ask, flags: str = "") -> None:
        """Write that a question was not sent, and why, as flags of the reply that there is not."""
        at = datetime.now(UTC)
        skipped = observe_exchange(ask, Exchange("unreachable", b"", 0.0, 0), at, 0, edns=True)
        self._write(skipped._replace(flags=flags))

    def remember(self, observed: Observed) -> None:
        """Have the question of `observed` not asked again, or if it met with silence, asked on from there."""
        self.known[key(observed)] = observed

    def silent_addresses(self) -> list[str]:
        """Return the addresses that are not answering at the moment."""
        return sorted({lane.address for lane in self._lanes.values() if lane.doubtful})

    def write_to(self, writer: Writer) -> None:
        """Write to `writer` from now on, beginning with what was kept."""
        for content in self._kept:
            writer.write(content)
        self._kept.clear()
        self.write = writer.write

    def close(self) -> None:
        """Close the sockets."""
        self._udp.close()

    async def _try_once(self, ask: Ask) -> Observed:
        """Ask what was not sent: where TCP shows a sign of life, the silence may be about other questions."""
        lane = self._lane(ask.address, ask.transport)
        if ask.transport == "tcp" or lane.streak >= STREAK:
            return self._skip(ask, lane, patient=False)
        await self._gate.enter(lane)
        return await self._once(ask, lane, 1, lane)

    def _tcp_only(self, address: str) -> bool:
        tcp, udp = (self._lanes.get((address, transport)) for transport in ("tcp", "udp"))
        return tcp is not None and tcp.answered > 0 and (udp is None or not udp.answered)

    def _came_late(self, tag: Any, exchange: Exchange) -> None:
        """Write down a reply that nobody waits for any more, and have who would ask again know of it."""
        ask, at, attempt, edns = tag
        observed = self._write(observe_exchange(ask, exchange, at, attempt, edns=edns, late=True))
        lane = self._lane(ask.address, "udp")
        self._slow.add(ask.address)
        self._gate.answered(lane)
        if observed.rcode not in _NO_EDNS:
            lane.edns_seen = lane.edns_seen or edns
            self.known[key(ask)] = observed
            if (awaited := self._awaited.pop(key(ask), None)) and not awaited.done():
                awaited.set_result(None)

    async def _pause(self, ask: Ask, seconds: float) -> Observed | None:
        """Sleep; if a late reply to the question comes, or has come, return it."""
        awaited = self._awaited.setdefault(key(ask), self._loop.create_future())
        if not (known := self._heard(ask)):
            await asyncio.wait([awaited], timeout=seconds)
            known = self._heard(ask)
        self._awaited.pop(key(ask), None)
        return known

    def _heard(self, ask: Ask) -> Observed | None:
        known = self.known.get(key(ask))
        return known if known is not None and known.outcome not in SILENT else None

    def _worth_asking_again(self, before: Observed, *, patient: bool) -> bool:
        if before.outcome == "truncated":
            return before.transport == "udp"
        return before.outcome in SILENT and patient and before.attempt < self.settings.tries

    async def _persist(self, ask: Ask, attempt: int, *, patient: bool) -> Observed:
        lane = self._lane(ask.address, ask.transport)
        observed: Observed | None = None
        probing = False
        while True:
            if lane.probe is not None and not probing and patient:
                await asyncio.shield(lane.probe)
                continue
            if (lane.probe is not None or self._gate.is_silent(lane)) and not probing:
                return observed or self._skip(ask, lane, patient=patient)
            pace = self._lane(ask.address, "udp")  # an address has one pace, whatever the transport
            await self._gate.enter(pace)
            if not probing and (lane.probe is not None or self._gate.is_silent(lane)):
                self._gate.give_back(pace)  # things have changed while this one waited in line
                continue
            attempt += 1
            observed = await self._once(ask, lane, attempt, pace)
            if observed.outcome not in SILENT:
                return observed
            if attempt >= self.settings.tries or not patient:
                waits = patient and observed.outcome == "timeout"
                late = await self._pause(ask, self.settings.timeout) if waits else self._heard(ask)
                if probing and not late:
                    self._gate.judge(lane, alive=False)
                return late or observed
            if lane.doubtful and lane.probe is None:
                lane.probe, probing = self._loop.create_future(), True
            probing = probing and lane.probe is not None
            if probing or lane.probe is None:
                late = await self._pause(ask, self.settings.retry_delay * 3 ** (attempt - 1))
                if late:
                    return late

    def _lane(self, address: str, transport: str) -> Lane:
        lane = self._lanes.get((address, transport))
        if lane is None:
            lane = self._lanes[address, transport] = Lane(address, 1 / self.settings.per_server)
        return lane

    async def _once(self, ask: Ask, lane: Lane, attempt: int, pace: Lane) -> Observed:
        last = attempt == self.settings.tries > 1
        edns = lane.edns and (lane.edns_seen or not last)
        observed = await self._send(ask, lane, attempt, pace, edns=edns)
        if edns and observed.rcode in _NO_EDNS:
            await self._gate.enter(pace)
            plain = await self._send(ask, lane, attempt, pace, edns=False)
            if plain.outcome not in SILENT and plain.rcode != observed.rcode:
                lane.edns = False
                return plain
        elif lane.edns and not edns and observed.outcome not in SILENT:
            await self._gate.enter(pace)  # the silence before may have been chance: this tells
            again = await self._send(ask, lane, attempt, pace, edns=True)
            lane.edns = again.outcome not in SILENT and again.rcode not in _NO_EDNS
            lane.edns_seen = lane.edns
            return again if lane.edns else observed
        elif observed.outcome not in SILENT:
            lane.edns_seen = lane.edns_seen or edns
        return observed

    async def _send(self, ask: Ask, lane: Lane, attempt: int, pace: Lane, *, edns: bool) -> Observed:
        try:
            query = query_wire(ask.qname, ask.qtype, edns=edns, rd=ask.rd)
            at = datetime.now(UTC)
            self.sent += 1
            in_time = self.settings.timeout
            timeout = in_time * PATIENCE if ask.address in self._slow else in_time
            if ask.transport == "udp":
                exchange = await self._udp.ask(ask.address, query, timeout, (ask, at, attempt, edns))
            else:
                exchange = await ask_tcp(ask.address, self.settings.port, query, timeout, self.ignored)
        finally:
            self._gate.leave(pace)
        observed = observe_exchange(ask, exchange, at, attempt, edns=edns, late=exchange.rtt > in_time)
        if observed.outcome in SILENT:
            self._gate.unanswered(lane)
        else:
            self._gate.answered(lane)
        return self._write(observed)

    def _skip(self, ask: Ask, lane: Lane, *, patient: bool) -> Observed:
        at = datetime.now(UTC)
        skipped = observe_exchange(ask, Exchange("timeout", b"", 0.0, 0), at, 0, edns=lane.edns)
        return self._write(skipped) if patient else skipped  # whoever is in a hurry will ask someone else

    def _write(self, observed: Observed) -> Observed:
        self.outcomes[observed.outcome] += 1
        self.write(observed._asdict())
        return observed


def observe_exchange(
    ask: Ask, exchange: Exchange, at: datetime, attempt: int, *, edns: bool, late: bool = False
) -> Observed:
    """Turn what came of a query into a line of the observation; any bytes of a reply end in an outcome."""
    outcome, rcode, flags, cut = exchange.status, "", "", ""
    records: tuple[Any, ...] = ()
    heard = exchange.status == "reply"
    if heard:
        try:
            reply = read_reply(exchange.wire)
        except Malformed:
            outcome = "malformed"
        else:
            outcome, cut = classify(reply, ask.zone or None, ask.qname, ask.qtype)
            rcode, flags, records = reply.rcode, reply.flags(), reply.records
            flags = f"{flags} late".lstrip() if late else flags
    return Observed(
        instant(at),
        *ask[:8], edns, ask.rd, attempt, outcome, rcode, flags, cut,
        round(exchange.rtt * 1000, 2) if heard else None, exchange.ignored, records,
    )  # fmt: skip
