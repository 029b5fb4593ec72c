"""Asking one question until it is answered or its server is called silent, and writing down every query."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from datetime import UTC, datetime
from typing import Any, TypeVar

from mssante_audit.observe.dns.pace import Gate, Lane, Pace
from mssante_audit.observe.dns.reply import Malformed, classify, read_message
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.transport import Exchange, Ignored, Udp, ask_tcp, query_wire
from mssante_audit.observe.lines import NO_EDNS, Ask, Reply
from mssante_audit.observe.writer import Writer, key

PATIENCE = 3
"""An address whose replies come after the time-out is given so many times as long from then on."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def once(done: dict[K, asyncio.Future[T]], what: K, do: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `do`, which only the first to want `what` runs; the others wait for it."""
    if (future := done.get(what)) is not None:
        return await asyncio.shield(future)
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
    """Sends questions within the limits and writes what came of each; without a `writer` yet, keeps it."""

    def __init__(self, settings: ObserveSettings, writer: Writer | None = None) -> None:
        self.settings = settings
        self.known: dict[tuple[Any, ...], Reply] = {}
        self.ignored = Ignored()
        self.outcomes: Counter[str] = Counter()
        self.sent = 0
        self._loop = asyncio.get_running_loop()
        self._gate = Gate(settings)
        self._udp = Udp(settings.port, self.ignored, self._came_late)
        self._slow: set[str] = set()
        self._awaited: dict[tuple[Any, ...], asyncio.Future[None]] = {}
        self._paces: dict[str, Pace] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._kept: list[dict[str, Any]] = []
        self.write: Callable[[dict[str, Any]], None] = writer.write if writer else self._kept.append

    async def ask(self, ask: Ask, *, patient: bool = True) -> Reply:
        """Ask, again if need be, and return the last thing observed; who is not `patient` may ask others.

        What is met with silence or truncated over UDP is asked over TCP too, unless that is silent as well.
        """
        before = self.known.get(key(ask))
        if before is not None and not self._worth_asking_again(before, patient=patient):
            return before
        reply = await self._persist(ask, before.attempt if before else 0, patient=patient)
        if ask.transport == "tcp" or not (reply.outcome == "truncated" or (patient and reply.silent)):
            return reply
        if reply.silent and self._gate.is_silent(self._lane(ask.address, "tcp")):
            return reply
        other = await self.ask(ask._replace(transport="tcp"), patient=patient)
        if reply.silent and other.silent:
            return reply
        if reply.silent and not reply.attempt:
            # Not sent so far, but there is a sign of life: the silence may be about other questions only.
            lane = self._lane(ask.address, "udp")
            await self._gate.enter(lane.pace)
            reply = await self._once(ask, lane, 1)
        return other if reply.silent or reply.outcome == "truncated" else reply

    def skip(self, ask: Ask, flags: str = "") -> None:
        """Write that a question was not sent, and why, as flags of the reply that there is not."""
        skipped = observe_exchange(ask, Exchange("unreachable"), datetime.now(UTC), 0, edns=True)
        self._write(skipped._replace(flags=flags))

    def remember(self, reply: Reply) -> None:
        """Have the question of `reply` not asked again, or if it met with silence, asked on from there."""
        self.known[key(reply)] = reply

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

    def _came_late(self, tag: Any, exchange: Exchange) -> None:
        """Write down a reply that nobody waits for any more, and have who would ask again know of it."""
        ask, at, attempt, edns = tag
        reply = self._write(observe_exchange(ask, exchange, at, attempt, edns=edns, late=True))
        lane = self._lane(ask.address, "udp")
        self._slow.add(ask.address)
        self._gate.answered(lane)
        if reply.rcode not in NO_EDNS:
            lane.edns_seen = lane.edns_seen or edns
            self.known[key(ask)] = reply
            if (awaited := self._awaited.pop(key(ask), None)) and not awaited.done():
                awaited.set_result(None)

    async def _pause(self, ask: Ask, seconds: float) -> Reply | None:
        """Sleep; if a late reply to the question comes, or has come, return it."""
        awaited = self._awaited.setdefault(key(ask), self._loop.create_future())
        if not (known := self._late_reply(ask)):
            await asyncio.wait([awaited], timeout=seconds)
            known = self._late_reply(ask)
        self._awaited.pop(key(ask), None)
        return known

    def _late_reply(self, ask: Ask) -> Reply | None:
        known = self.known.get(key(ask))
        return known if known is not None and not known.silent else None

    def _worth_asking_again(self, before: Reply, *, patient: bool) -> bool:
        if before.outcome == "truncated":
            return before.transport == "udp"
        return before.silent and patient and before.attempt < self.settings.tries

    async def _persist(self, ask: Ask, attempt: int, *, patient: bool) -> Reply:
        lane = self._lane(ask.address, ask.transport)
        reply: Reply | None = None
        probing = False
        while True:
            if lane.probe is not None and not probing and patient:
                await asyncio.shield(lane.probe)
                continue
            if not probing and self._is_given_up(lane, patient=patient):
                if reply:
                    return reply
                skipped = observe_exchange(ask, Exchange("timeout"), datetime.now(UTC), 0, edns=lane.edns)
                return self._write(skipped) if patient else skipped  # who is in a hurry asks someone else
            await self._gate.enter(lane.pace)
            if not probing and (lane.probe is not None or self._is_given_up(lane, patient=patient)):
                self._gate.give_back(lane.pace)  # things have changed while this one waited in line
                continue
            attempt += 1
            reply = await self._once(ask, lane, attempt)
            if not reply.silent:
                return reply
            # A connection to an address that is silent over UDP is tried once.
            udp = self._lane(ask.address, "udp")
            tries = 1 if lane is not udp and self._gate.is_silent(udp) else self.settings.tries
            if not patient or attempt >= tries:
                waits = patient and reply.outcome == "timeout" and ask.transport == "udp"
                late = await self._pause(ask, self.settings.timeout) if waits else self._late_reply(ask)
                if not late and (probing or (patient and lane.doubtful and lane.probe is None)):
                    self._gate.judge(lane, alive=False)
                return late or reply
            if lane.doubtful and lane.probe is None:
                lane.probe, probing = self._loop.create_future(), True
            probing = probing and lane.probe is not None
            if probing or lane.probe is None:
                late = await self._pause(ask, self.settings.retry_delay * 3 ** (attempt - 1))
                if late:
                    return late

    def _is_given_up(self, lane: Lane, *, patient: bool) -> bool:
        """Whether a question need not be sent: nothing will come; who is in a hurry doubts sooner."""
        return self._gate.is_silent(lane) or (not patient and lane.doubtful)

    def _lane(self, address: str, transport: str) -> Lane:
        lane = self._lanes.get((address, transport))
        if lane is None:
            if address not in self._paces:
                self._paces[address] = self._gate.pace()
            lane = self._lanes[address, transport] = Lane(address, self._paces[address])
        return lane

    async def _once(self, ask: Ask, lane: Lane, attempt: int) -> Reply:
        """Send one attempt, whose turn it is, and what tells whether the server takes EDNS."""
        last = attempt == self.settings.tries > 1
        edns = lane.edns and (lane.edns_seen or not last)
        reply = await self._send(ask, lane, attempt, edns=edns)
        if edns and reply.rcode in NO_EDNS:
            await self._gate.enter(lane.pace)
            plain = await self._send(ask, lane, attempt, edns=False)
            if not plain.silent and plain.rcode != reply.rcode:
                lane.edns = False
                return plain
        elif lane.edns and not edns and not reply.silent:
            await self._gate.enter(lane.pace)  # the silence before may have been chance: this tells
            again = await self._send(ask, lane, attempt, edns=True)
            lane.edns = lane.edns_seen = not again.silent and again.rcode not in NO_EDNS
            return again if lane.edns else reply
        elif not reply.silent:
            lane.edns_seen = lane.edns_seen or edns
        return reply

    async def _send(self, ask: Ask, lane: Lane, attempt: int, *, edns: bool) -> Reply:
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
            self._gate.leave(lane.pace)
        reply = observe_exchange(ask, exchange, at, attempt, edns=edns, late=exchange.rtt > in_time)
        (self._gate.unanswered if reply.silent else self._gate.answered)(lane)
        return self._write(reply)

    def _write(self, reply: Reply) -> Reply:
        self.outcomes[reply.outcome] += 1
        self.write(reply.content())
        return reply


def observe_exchange(
    ask: Ask, exchange: Exchange, at: datetime, attempt: int, *, edns: bool, late: bool = False
) -> Reply:
    """Turn what came of a query into a line of the observation; any bytes of a reply end in an outcome."""
    outcome, rcode, flags, cut, rtt = exchange.status, "", "", "", None
    records: tuple[Any, ...] = ()
    if outcome == "reply":
        rtt = round(exchange.rtt * 1000, 2)
        try:
            message = read_message(exchange.wire)
        except Malformed:
            outcome = "malformed"
        else:
            outcome, cut = classify(message, ask.zone or None, ask.qname, ask.qtype)
            rcode, flags, records = message.rcode, message.flags(), message.records
            flags = f"{flags} late".lstrip() if late else flags
    said = (outcome, rcode, flags, cut, rtt, exchange.ignored, records)
    return Reply(at, *ask[:8], edns, ask.rd, attempt, *said)
