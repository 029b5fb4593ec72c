"""Asking one question until it is answered or its server is called silent, and writing down every query.

A silence slows a `_Pace` down; an answer speeds it up again, as far as the limit. While a `_Lane` has never
answered, or has stopped to, one question at a time goes on and the others wait for what becomes of it: a dead
server that 300 domains share is asked a handful of questions, not 300 times as many.
"""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Hashable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from mssante_audit.observe.dns.exchange import Exchange, exchange, observe_exchange, query_wire
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.lines import NO_EDNS, Ask, Clock, Reply, key

MOST_MISSED = 3  # questions for an MX that a server is asked though it was silent to all others
SLOWEST = 5.0  # seconds between two queries to an address that stays silent, at most

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def once(done: dict[K, asyncio.Task[T]], what: K, do: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return the result of `do`, which runs once for each `what`; later callers wait for it."""
    if what not in done:
        done[what] = asyncio.create_task(do())
    return await done[what]


class _Pace:
    def __init__(self, in_flight: int, per_second: float) -> None:
        self.slots, self.turn = asyncio.Semaphore(in_flight), asyncio.Lock()
        self.fastest = self.interval = 1 / per_second
        self.next_at = 0.0


@dataclass(slots=True, eq=False)
class _Lane:
    pace: _Pace
    answers: int = 0
    streak: int = 0
    edns: bool = True
    edns_seen: bool = False
    capitals: bool = False
    """Whether it was asked in capitals."""
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one question that goes on while the lane is doubtful."""
    silent_until: float = 0.0
    missed: int = 0
    """Questions for an MX in a row that were met with silence."""

    @property
    def doubtful(self) -> bool:
        """Whether it has given no sign of life, or been silent eight times in a row."""
        return self.streak >= 8 or (self.streak > 0 and not self.answers)

    @property
    def silent(self) -> bool:
        return self.silent_until > time.monotonic()


class Asker:
    """Sends questions within the limits and writes what came of each, by `write`."""

    def __init__(self, settings: ObserveSettings, write: Callable[[dict[str, Any]], None]) -> None:
        self.settings, self.write = settings, write
        self.replies: dict[tuple[Any, ...], Reply] = {}
        self.ignored: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.sent = self.late = 0
        self._tries, self._clock = settings.retries + 1, Clock()
        self.lanes: dict[tuple[str, str], _Lane] = {}
        self._asked: dict[tuple[Any, ...], asyncio.Task[Reply]] = {}
        self._slow: set[str] = set()
        self._all = _Pace(settings.in_flight, settings.per_second)
        pace = partial(_Pace, settings.per_server_in_flight, settings.per_server)
        self._paces = defaultdict[str, _Pace](pace)

    def go_on(self, replies: Iterable[Reply]) -> None:
        """Take over an earlier start's replies: they are not asked again, and show who is alive."""
        for reply in (reply for reply in replies if reply.attempt):
            self.replies[key(reply)] = reply
            if not reply.silent:
                lane = self._lane(reply.address, reply.transport)
                lane.answers += 1
                lane.edns_seen |= reply.edns
                lane.capitals |= reply.step == "capitals"

    async def ask(self, ask: Ask, *, patient: bool = True) -> Reply:
        """Ask, again if need be, and return the last thing observed; who is not `patient` may ask others.

        A question is asked once; one that met with silence is asked on by who is patient. What is met with
        silence or truncated over UDP is asked over TCP too, unless that is silent as well. Of a server that
        answers, the first question is asked in capitals too, as some resolvers do.
        """
        reply = await self._ask_once(ask, patient=patient)
        lane = self._lane(ask.address, "udp")
        if reply.outcome == "answer" and reply.transport == "udp" and not (lane.capitals or ask.rd):
            lane.capitals = True
            in_capitals = ask._replace(step="capitals", qname=ask.qname.upper())
            for attempt in range(1, self._tries + 1):  # even if it is silent to all else
                await self._enter(lane.pace)
                if not (await self._send(in_capitals, lane, attempt, edns=reply.edns)).silent:
                    break
        return reply

    async def _ask_once(self, ask: Ask, *, patient: bool) -> Reply:
        if ask.step == "walk" and ask.transport == "udp":  # hardly ever asked twice, and there are many
            return await self._ask(ask, patient=patient)
        if patient and (hasty := self._asked.get((*key(ask), False))) and not (await hasty).silent:
            return await hasty
        return await once(self._asked, (*key(ask), patient), partial(self._ask, ask, patient=patient))

    async def _ask(self, ask: Ask, *, patient: bool) -> Reply:
        if before := self.replies.get(key(ask)):
            asked_on = before.silent and patient and before.attempt < self._tries
            if not (before.transport == "udp" if before.outcome == "truncated" else asked_on):
                return before
        reply = await self._persist(ask, before.attempt if before else 0, patient=patient)
        if not patient:
            self.replies[key(ask)] = reply
        if ask.transport == "udp" and (reply.outcome == "truncated" or (patient and reply.silent)):
            lane, tcp, other = self._lane(ask.address, "udp"), self._lane(ask.address, "tcp"), reply
            if not reply.silent or not tcp.silent or tcp.answers:
                other = await self.ask(ask._replace(transport="tcp"), patient=patient)
            if reply.silent and not reply.attempt:
                # Not sent so far: the silence may be about other questions only.
                walked = other.silent and ask.step == "walk" and ask.qtype == "MX"
                async with lane.probing if walked else nullcontext():
                    if not other.silent or (walked and lane.missed < MOST_MISSED):
                        await self._enter(lane.pace)
                        reply = await self._try(ask, lane, 1)
            if reply.outcome == "truncated" or (reply.silent and not other.silent):
                reply = other
        # Who is in a hurry asks someone else.
        return self._write(reply) if patient and reply.silent and not reply.attempt else reply

    def skip(self, ask: Ask, flags: str = "") -> None:
        """Write, once, that a question was not sent, and why, as flags of the reply that there is not."""
        if key(ask) not in self.replies:
            skipped = observe_exchange(ask, Exchange("unreachable"), self._clock.now(), 0, edns=True)
            self.replies[key(ask)] = self._write(skipped._replace(flags=flags))

    async def _persist(self, ask: Ask, attempt: int, *, patient: bool) -> Reply:
        """Ask until there is a reply, the tries are over, or another question has found the lane silent."""
        lane, udp = self._lane(ask.address, ask.transport), self._lane(ask.address, "udp")
        reply: Reply | None = None
        probing = False

        def hopeless() -> bool:  # who is in a hurry doubts sooner
            return lane.silent or (not patient and lane.doubtful)

        try:
            while not hopeless():
                if probing and not lane.doubtful:
                    lane.probing.release()
                    probing = False
                elif lane.doubtful and not probing:
                    probing = await lane.probing.acquire()
                    continue
                await self._enter(lane.pace)
                if hopeless() or (lane.doubtful and not probing):
                    # Things have changed while this one waited in line: the next may have its turn.
                    lane.pace.next_at = min(lane.pace.next_at, time.monotonic())
                    self._all.next_at -= self._all.interval
                    self._leave(lane.pace)
                    continue
                attempt += 1
                reply = await self._try(ask, lane, attempt, patient=patient)
                # A connection to an address that is silent over UDP is tried once.
                tries = 1 if lane is not udp and udp.silent else self._tries
                if not reply.silent or not patient:
                    return reply
                if attempt >= tries:
                    if probing or (lane.doubtful and not lane.probing.locked()):
                        lane.silent_until = time.monotonic() + 300  # a verdict that holds so long
                    return reply
                if not lane.doubtful or probing:
                    await asyncio.sleep(self.settings.retry_delay * 3 ** (attempt - 1))
        finally:
            if probing:
                lane.probing.release()
        if reply:
            return reply
        return observe_exchange(ask, Exchange("timeout"), self._clock.now(), 0, edns=lane.edns)

    def _lane(self, address: str, transport: str) -> _Lane:
        if (address, transport) not in self.lanes:
            self.lanes[address, transport] = _Lane(self._paces[address])
        return self.lanes[address, transport]

    async def _try(self, ask: Ask, lane: _Lane, attempt: int, *, patient: bool = True) -> Reply:
        """Send one attempt, whose turn it is, and what tells whether the server takes EDNS."""
        last = patient and attempt >= self._tries
        edns = lane.edns and (lane.edns_seen or not last or attempt == 1)
        reply = await self._send(ask, lane, attempt, edns=edns, last=last)
        if edns and reply.rcode in NO_EDNS:
            await self._enter(lane.pace)
            plain = await self._send(ask, lane, attempt, edns=False)
            if not plain.silent and plain.rcode != reply.rcode:
                lane.edns = False
                return plain
        elif lane.edns and not edns and not reply.silent:
            await self._enter(lane.pace)  # the silence before may have been chance: this tells
            retried = await self._send(ask, lane, attempt, edns=True)
            lane.edns = lane.edns_seen = not retried.silent and retried.rcode not in NO_EDNS
            return retried if lane.edns else reply
        elif not reply.silent:
            lane.edns_seen |= edns
        return reply

    async def _send(self, ask: Ask, lane: _Lane, attempt: int, *, edns: bool, last: bool = False) -> Reply:
        in_time, pace = self.settings.timeout, lane.pace
        longer = ask.address in self._slow or (last and ask.transport == "udp")
        seconds = 3 * in_time if longer else in_time  # a last try, and who answers late, is waited for longer
        try:
            query = query_wire(ask.qname, ask.qtype, edns=edns, rd=ask.rd)
            at = self._clock.now()
            self.sent += 1
            place = ask.address, self.settings.port
            outcome = await exchange(place, ask.transport, query, seconds, self.ignored)
        finally:
            self._leave(pace)
        late = outcome.status == "reply" and outcome.rtt > in_time
        if late:
            self.late += 1
            self._slow.add(ask.address)
        reply = observe_exchange(ask, outcome, at, attempt, edns=edns, late=late)
        if reply.silent:
            lane.streak += 1
            pace.interval = min(max(SLOWEST, pace.fastest), pace.interval * 2)
        else:
            lane.answers, lane.streak = lane.answers + 1, 0
            pace.interval = max(pace.fastest, pace.interval / 2)
        if ask.qtype == "MX":
            lane.missed = lane.missed + 1 if reply.silent else 0
        return self._write(reply)

    def _write(self, reply: Reply) -> Reply:
        self.outcomes[reply.outcome] += 1
        self.write(reply.content())
        return reply

    async def _enter(self, pace: _Pace) -> None:
        """Wait for one's turn to send; `_leave` must follow."""
        await pace.slots.acquire()
        async with pace.turn:
            await _sleep_until(pace.next_at)
            await self._all.slots.acquire()
            async with self._all.turn:
                await _sleep_until(self._all.next_at)
                now = time.monotonic()
                self._all.next_at = now + self._all.interval
            # Jitter only ever slows: no second has more queries than the settings allow.
            pace.next_at = now + pace.interval * random.uniform(1, 1.25)  # noqa: S311 - jitter

    def _leave(self, pace: _Pace) -> None:
        self._all.slots.release()
        pace.slots.release()


async def _sleep_until(at: float) -> None:
    while (remaining := at - time.monotonic()) > 0:
        await asyncio.sleep(remaining)
