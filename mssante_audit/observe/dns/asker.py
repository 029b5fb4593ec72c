"""Asking one question until it is answered or its server is called silent, and writing down every query."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import Any, TypeVar

from mssante_audit.observe.dns.pace import Gate, Lane
from mssante_audit.observe.dns.reply import Malformed, classify, read_reply
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.transport import Exchange, Ignored, Udp, ask_tcp, query_wire
from mssante_audit.observe.lines import SILENT, Ask, Observed, instant
from mssante_audit.observe.writer import Writer, key

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
        self._udp = Udp(settings.port, settings.timeout, self.ignored)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._writer = writer
        self._kept: list[dict[str, Any]] = []

    async def ask(self, ask: Ask, *, patient: bool = True) -> Observed:
        """Ask, again if need be, and return the last thing observed.

        A silent server is tried again later only by who is `patient`: there may be others to ask.
        """
        before = self.known.get(key(ask))
        if before is not None and not self._worth_asking_again(before, patient=patient):
            return before
        observed = await self._persist(ask, before.attempt if before else 0, patient=patient)
        if observed.outcome == "truncated" and ask.transport == "udp":
            return await self.ask(ask._replace(transport="tcp"), patient=patient)
        return observed

    def remember(self, observed: Observed) -> None:
        """Have the question of `observed` not asked again, or if it met with silence, asked on from there."""
        self.known[key(observed)] = observed

    def silent_addresses(self) -> list[str]:
        """Return the addresses that are not answering at the moment."""
        return sorted({lane.address for lane in self._lanes.values() if lane.doubtful})

    def write_to(self, writer: Writer) -> None:
        """Write to `writer` from now on, beginning with what was kept."""
        self._writer = writer
        for content in self._kept:
            writer.write(content)
        self._kept = []

    def write(self, content: dict[str, Any]) -> None:
        """Write a line."""
        if self._writer is None:
            self._kept.append(content)
        else:
            self._writer.write(content)

    def close(self) -> None:
        """Close the sockets."""
        self._udp.close()

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
                if probing:
                    self._gate.judge(lane, alive=False)
                return observed
            if lane.doubtful and lane.probe is None:
                lane.probe, probing = self._loop.create_future(), True
            probing = probing and lane.probe is not None
            if probing or lane.probe is None:
                await asyncio.sleep(self.settings.retry_delay * 3 ** (attempt - 1))

    def _lane(self, address: str, transport: str) -> Lane:
        lane = self._lanes.get((address, transport))
        if lane is None:
            lane = self._lanes[address, transport] = Lane(address, 1 / self.settings.per_server)
        return lane

    async def _once(self, ask: Ask, lane: Lane, attempt: int, pace: Lane) -> Observed:
        last = attempt == self.settings.tries > 1
        edns = lane.edns and (lane.edns_seen or not last)
        observed = await self._send(ask, lane, attempt, pace, edns=edns)
        if edns and observed.rcode in ("FORMERR", "NOTIMP"):
            await self._gate.enter(pace)
            plain = await self._send(ask, lane, attempt, pace, edns=False)
            if plain.outcome not in SILENT and plain.rcode != observed.rcode:
                lane.edns = False
                return plain
        if observed.outcome not in SILENT:
            lane.edns_seen = lane.edns_seen or edns
            lane.edns = edns or lane.edns_seen
        return observed

    async def _send(self, ask: Ask, lane: Lane, attempt: int, pace: Lane, *, edns: bool) -> Observed:
        try:
            query = query_wire(ask.qname, ask.qtype, edns=edns, rd=ask.rd)
            at = datetime.now(UTC)
            self.sent += 1
            if ask.transport == "udp":
                exchange = await self._udp.ask(ask.address, query)
            else:
                port, timeout = self.settings.port, self.settings.timeout
                exchange = await ask_tcp(ask.address, port, query, timeout, self.ignored)
        finally:
            self._gate.leave(pace)
        observed = observe_exchange(ask, exchange, at, attempt, edns=edns)
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


def observe_exchange(ask: Ask, exchange: Exchange, at: datetime, attempt: int, *, edns: bool) -> Observed:
    """Turn what came of a query into a line of the observation; any bytes of a reply end in an outcome."""
    outcome, rcode, flags, cut = exchange.status, "", "", ""
    records: tuple[Any, ...] = ()
    if exchange.status == "reply":
        try:
            reply = read_reply(exchange.wire)
        except Malformed:
            outcome = "malformed"
        else:
            outcome, cut = classify(reply, ask.zone or None, ask.qname, ask.qtype)
            rcode, flags, records = reply.rcode, reply.flags(), reply.records
    heard = exchange.status == "reply"
    return Observed(
        instant(at),
        *ask[:8], edns, ask.rd, attempt, outcome, rcode, flags, cut,
        round(exchange.rtt * 1000, 2) if heard else None, exchange.ignored, records,
    )  # fmt: skip
