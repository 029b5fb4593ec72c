"""How fast to ask, for each address and in total, and what to do about silence.

A `Pace` keeps to the rate of an address, whatever the transport. A silence slows it down; an answer speeds it
up again, as far as the limit. A `Lane` is one transport to an address: while it has never answered, or has
stopped to, one question probes it, later and later, and the others wait for what becomes of that one: a dead
server that 300 domains share is asked a handful of questions, not 300 times as many.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field

from mssante_audit.observe.dns.settings import ObserveSettings

STREAK = 8
"""Silences in a row after which a lane that used to answer is doubted."""
SILENT_FOR = 300.0
"""Seconds for which a verdict of silence holds."""
SLOWEST = 5.0
"""Seconds between two queries to an address that stays silent, at most."""


@dataclass(slots=True, eq=False)
class Pace:
    """The queries to one address."""

    interval: float
    next_at: float = 0.0
    flying: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    queued: bool = False


@dataclass(slots=True, eq=False)
class Lane:
    """What is known of an address over one transport."""

    address: str
    pace: Pace
    answered: int = 0
    streak: int = 0
    edns: bool = True
    edns_seen: bool = False
    probe: asyncio.Future[bool] | None = None
    silent_until: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether it has given no sign of life, or none for long."""
        return self.streak >= STREAK or (self.streak > 0 and not self.answered)


class Gate:
    """Lets queries through at the pace that the settings allow."""

    def __init__(self, settings: ObserveSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit, self._limit_each = settings.in_flight, settings.per_server_in_flight
        self._interval, self.interval_each = 1 / settings.per_second, 1 / settings.per_server
        self._flying = 0
        self._next_at = 0.0
        self._ready: deque[Pace] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, pace: Pace) -> None:
        """Wait for one's turn to send; `leave` or `give_back` must follow."""
        if not pace.waiting and not self._ready and self._may(pace):
            self._take(pace)
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        pace.waiting.append(turn)
        self._line_up(pace)
        self._pump()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(pace)
            raise

    def leave(self, pace: Pace) -> None:
        """Say that a query is over."""
        self._flying -= 1
        pace.flying -= 1
        if pace.waiting:
            self._line_up(pace)
        if self._ready:
            self._pump()

    def give_back(self, pace: Pace) -> None:
        """Leave without having sent anything: the next may have this turn."""
        pace.next_at = min(pace.next_at, self._loop.time())
        self._next_at -= self._interval
        self.leave(pace)

    def answered(self, lane: Lane) -> None:
        """Take note of a sign of life."""
        lane.answered += 1
        lane.streak = 0
        lane.pace.interval = max(self.interval_each, lane.pace.interval / 2)
        if lane.probe is not None:
            self.judge(lane, alive=True)

    def unanswered(self, lane: Lane) -> None:
        """Take note of a silence."""
        lane.streak += 1
        lane.pace.interval = min(max(SLOWEST, self.interval_each), lane.pace.interval * 2)

    def judge(self, lane: Lane, *, alive: bool) -> None:
        """End a probe."""
        if not alive:
            lane.silent_until = self._loop.time() + SILENT_FOR
        if lane.probe is not None:
            if not lane.probe.done():
                lane.probe.set_result(alive)
            lane.probe = None

    def is_silent(self, lane: Lane) -> bool:
        """Whether the verdict of silence holds."""
        return lane.silent_until > self._loop.time()

    def _may(self, pace: Pace) -> bool:
        now = self._loop.time()
        return (
            self._flying < self._limit
            and pace.flying < self._limit_each
            and max(self._next_at, pace.next_at) <= now
        )

    def _take(self, pace: Pace) -> None:
        now = self._loop.time()
        self._flying += 1
        pace.flying += 1
        self._next_at = max(self._next_at, now) + self._interval
        # Jitter only ever slows: no second has more queries than the settings allow.
        pace.next_at = now + pace.interval * random.uniform(1, 1.25)  # noqa: S311 - jitter

    def _line_up(self, pace: Pace) -> None:
        if pace.queued or pace.flying >= self._limit_each:
            return  # in line already, or `leave` will bring it here
        pace.queued = True
        wait = pace.next_at - self._loop.time()
        if wait > 0:
            self._loop.call_later(wait, self._ripe, pace)
        else:
            self._ready.append(pace)

    def _ripe(self, pace: Pace) -> None:
        self._ready.append(pace)
        self._pump()

    def _pump(self) -> None:
        while self._ready and self._flying < self._limit:
            wait = self._next_at - self._loop.time()
            if wait > 0:
                if self._timer is None:
                    self._timer = self._loop.call_later(wait, self._tick)
                return
            pace = self._ready.popleft()
            pace.queued = False
            while pace.waiting and pace.waiting[0].done():  # given up meanwhile
                pace.waiting.popleft()
            if not pace.waiting:
                continue
            if self._may(pace):
                self._take(pace)
                pace.waiting.popleft().set_result(None)
            if pace.waiting:
                self._line_up(pace)

    def _tick(self) -> None:
        self._timer = None
        self._pump()
