"""How fast to ask, for each address and in total, and what to do about silence.

An address has one `Lane` for UDP, which paces all it is asked, and one for TCP. A silence slows its lane
down; an answer speeds it up again, as far as the limit. While a lane has never answered, or has stopped to,
one question probes it, later and later, and the others wait for what becomes of that one: a dead server that
300 domains share is asked a handful of questions, not 300 times as many.
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
class Lane:
    """The queries to one address over one transport."""

    address: str
    interval: float
    next_at: float = 0.0
    flying: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    queued: bool = False
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
        self._limit, self._lane_limit = settings.in_flight, settings.per_server_in_flight
        self._interval, self._lane_interval = 1 / settings.per_second, 1 / settings.per_server
        self._flying = 0
        self._next_at = 0.0
        self._ready: deque[Lane] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, lane: Lane) -> None:
        """Wait for one's turn to send to `lane`; `leave` or `give_back` must follow."""
        if not lane.waiting and not self._ready and self._may(lane):
            self._take(lane)
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        lane.waiting.append(turn)
        self._line_up(lane)
        self._pump()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """Say that a query to `lane` is over."""
        self._flying -= 1
        lane.flying -= 1
        if lane.waiting:
            self._line_up(lane)
        if self._ready:
            self._pump()

    def give_back(self, lane: Lane) -> None:
        """Leave without having sent anything: the next may have this turn."""
        lane.next_at = min(lane.next_at, self._loop.time())
        self._next_at -= self._interval
        self.leave(lane)

    def answered(self, lane: Lane) -> None:
        """Take note of a sign of life."""
        lane.answered += 1
        lane.streak = 0
        if lane.interval > self._lane_interval:
            lane.interval = max(self._lane_interval, lane.interval / 2)
        if lane.probe is not None:
            self.judge(lane, alive=True)

    def unanswered(self, lane: Lane) -> None:
        """Take note of a silence."""
        lane.streak += 1
        lane.interval = min(max(SLOWEST, self._lane_interval), lane.interval * 2)

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

    def _may(self, lane: Lane) -> bool:
        now = self._loop.time()
        return (
            self._flying < self._limit
            and lane.flying < self._lane_limit
            and self._next_at <= now
            and lane.next_at <= now
        )

    def _take(self, lane: Lane) -> None:
        now = self._loop.time()
        self._flying += 1
        lane.flying += 1
        # The total may make up for a late timer by a burst of ten; an address gets no burst, but jitter.
        self._next_at = max(self._next_at, now - 10 * self._interval) + self._interval
        lane.next_at = now + lane.interval * random.uniform(0.75, 1.25)  # noqa: S311 - jitter

    def _line_up(self, lane: Lane) -> None:
        if lane.queued or lane.flying >= self._lane_limit:
            return  # in line already, or `leave` will bring it here
        lane.queued = True
        wait = lane.next_at - self._loop.time()
        if wait > 0:
            self._loop.call_later(wait, self._ripe, lane)
        else:
            self._ready.append(lane)

    def _ripe(self, lane: Lane) -> None:
        self._ready.append(lane)
        self._pump()

    def _pump(self) -> None:
        while self._ready and self._flying < self._limit:
            wait = self._next_at - self._loop.time()
            if wait > 0:
                if self._timer is None:
                    self._timer = self._loop.call_later(wait, self._tick)
                return
            lane = self._ready.popleft()
            lane.queued = False
            while lane.waiting and lane.waiting[0].done():  # given up meanwhile
                lane.waiting.popleft()
            if not lane.waiting:
                continue
            if self._may(lane):
                self._take(lane)
                lane.waiting.popleft().set_result(None)
            if lane.waiting:
                self._line_up(lane)

    def _tick(self) -> None:
        self._timer = None
        self._pump()
