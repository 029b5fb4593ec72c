"""Asking one question until it is answered or its server is called silent, and writing down every query."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Hashable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from mssante_audit.observe.dns.pace import Gate, Lane, Pace
from mssante_audit.observe.dns.reply import Malformed, classify, read_message
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.transport import Exchange, exchange, query_wire
from mssante_audit.observe.lines import NO_EDNS, Ask, Reply
from mssante_audit.observe.writer import Writer, key

PATIENCE = 3
"""A last try, and an address whose replies come after the time-out, are given so many times as long."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def once(done: dict[K, asyncio.Task[T]], what: K, do: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return the result of `do`, which only the first to want `what` runs; the others wait for it."""
    if what not in done:
        done[what] = asyncio.create_task(do())
    return await done[what]


class Asker:
    """Sends questions within the limits and writes what came of each; without a `writer` yet, keeps it."""

    def __init__(self, settings: ObserveSettings, writer: Writer | None = None) -> None:
        self.settings = settings
        self.known: dict[tuple[Any, ...], Reply] = {}
        self.ignored: Counter[str] = Counter()
        """Messages that answer nothing asked, by where they came from."""
        self.outcomes: Counter[str] = Counter()
        self.sent = self.late = 0
        self._asked: dict[tuple[Any, ...], asyncio.Task[Reply]] = {}
        self._gate = Gate(settings)
        self._slow: set[str] = set()
        self._paces = defaultdict[str, Pace](self._gate.pace)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._kept: list[dict[str, Any]] = []
        self.write: Callable[[dict[str, Any]], None] = writer.write if writer else self._kept.append

    async def ask(self, ask: Ask, *, patient: bool = True) -> Reply:
        """Ask, again if need be, and return the last thing observed; who is not `patient` may ask others.

        A question is asked once; one that met with silence is asked on by who is patient. What is met with
        silence or truncated over UDP is asked over TCP too, unless that is silent as well.
        """
        if ask.step == "walk" and ask.transport == "udp":  # hardly ever asked twice, and there are many
            return await self._ask(ask, patient=patient)
        if patient and (hasty := self._asked.get((*key(ask), False))) and not (await hasty).silent:
            return await hasty
        return await once(self._asked, (*key(ask), patient), partial(self._ask, ask, patient=patient))

    async def _ask(self, ask: Ask, *, patient: bool) -> Reply:
        before = self.known.get(key(ask))
        if before is not None and not self._worth_asking_again(before, patient=patient):
            return before
        reply = await self._persist(ask, before.attempt if before else 0, patient=patient)
        if not patient:
            self.known[key(ask)] = reply
        if ask.transport == "tcp" or not (reply.outcome == "truncated" or (patient and reply.silent)):
            return reply
        if reply.silent and self._lane(ask.address, "tcp").silent:
            return reply
        other = await self.ask(ask._replace(transport="tcp"), patient=patient)
        if reply.silent and other.silent:
            return reply
        if reply.silent and not reply.attempt:
            # Not sent so far, but there is a sign of life: the silence may be about other questions only.
            lane = self._lane(ask.address, "udp")
            await self._gate.enter(lane.pace)
            reply = await self._try(ask, lane, 1)
        return other if reply.silent or reply.outcome == "truncated" else reply

    def skip(self, ask: Ask, flags: str = "") -> None:
        """Write, once, that a question was not sent, and why, as flags of the reply that there is not."""
        if key(ask) not in self.known:
            skipped = observe_exchange(ask, Exchange("unreachable"), datetime.now(UTC), 0, edns=True)
            self.known[key(ask)] = self._write(skipped._replace(flags=flags))

    def silent_addresses(self) -> list[str]:
        """Return the addresses that are not answering at the moment."""
        return sorted({lane.address for lane in self._lanes.values() if lane.doubtful})

    def write_to(self, writer: Writer) -> None:
        """Write to `writer` from now on, beginning with what was kept."""
        for content in self._kept:
            writer.write(content)
        self._kept.clear()
        self.write = writer.write

    def _worth_asking_again(self, before: Reply, *, patient: bool) -> bool:
        if before.outcome == "truncated":
            return before.transport == "udp"
        return before.silent and patient and before.attempt < self.settings.tries

    async def _persist(self, ask: Ask, attempt: int, *, patient: bool) -> Reply:
        """Ask until there is a reply, the tries are over, or another question has found the lane silent."""
        lane, udp = self._lane(ask.address, ask.transport), self._lane(ask.address, "udp")
        reply: Reply | None = None
        probing = False
        try:
            while not self._is_given_up(lane, patient=patient):
                if probing and not lane.doubtful:
                    lane.probing.release()
                    probing = False
                elif lane.doubtful and not probing:
                    probing = await lane.probing.acquire()
                    continue
                await self._gate.enter(lane.pace)
                if self._is_given_up(lane, patient=patient) or (lane.doubtful and not probing):
                    self._gate.give_back(lane.pace)  # things have changed while this one waited in line
                    continue
                attempt += 1
                reply = await self._try(ask, lane, attempt, patient=patient)
                # A connection to an address that is silent over UDP is tried once.
                tries = 1 if lane is not udp and udp.silent else self.settings.tries
                if not reply.silent or not patient:
                    return reply
                if attempt >= tries:
                    if probing or (lane.doubtful and not lane.probing.locked()):
                        lane.give_up()
                    return reply
                if lane.doubtful and not probing:
                    continue
                await asyncio.sleep(self.settings.retry_delay * 3 ** (attempt - 1))
        finally:
            if probing:
                lane.probing.release()
        if reply:
            return reply
        skipped = observe_exchange(ask, Exchange("timeout"), datetime.now(UTC), 0, edns=lane.edns)
        return self._write(skipped) if patient else skipped  # who is in a hurry asks someone else

    def _is_given_up(self, lane: Lane, *, patient: bool) -> bool:
        """Whether a question need not be sent: nothing will come; who is in a hurry doubts sooner."""
        return lane.silent or (not patient and lane.doubtful)

    def _lane(self, address: str, transport: str) -> Lane:
        if (address, transport) not in self._lanes:
            self._lanes[address, transport] = Lane(address, self._paces[address])
        return self._lanes[address, transport]

    async def _try(self, ask: Ask, lane: Lane, attempt: int, *, patient: bool = True) -> Reply:
        """Send one attempt, whose turn it is, and what tells whether the server takes EDNS."""
        last = patient and attempt >= self.settings.tries
        edns = lane.edns and (lane.edns_seen or not last or attempt == 1)
        reply = await self._send(ask, lane, attempt, edns=edns, last=last)
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

    async def _send(self, ask: Ask, lane: Lane, attempt: int, *, edns: bool, last: bool = False) -> Reply:
        port, in_time = self.settings.port, self.settings.timeout
        longer = ask.address in self._slow or (last and ask.transport == "udp")
        try:
            query = query_wire(ask.qname, ask.qtype, edns=edns, rd=ask.rd)
            at = datetime.now(UTC)
            self.sent += 1
            most = in_time * PATIENCE if longer else in_time
            found = await exchange(ask.address, port, ask.transport, query, most, self.ignored)
        finally:
            self._gate.leave(lane.pace)
        late = found.status == "reply" and found.rtt > in_time
        if late:
            self.late += 1
            self._slow.add(ask.address)
        reply = observe_exchange(ask, found, at, attempt, edns=edns, late=late)
        lane.note(silence=reply.silent)
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
    outcome_fields = (outcome, rcode, flags, cut, rtt, exchange.ignored, records)
    return Reply(at, *ask[:8], edns, ask.rd, attempt, *outcome_fields)
