"""How fast to ask, for each address and in total, and what to do about silence.

A silence slows a `Pace` down; an answer speeds it up again, as far as the limit. While a `Lane` has never
answered, or has stopped to, one question at a time goes on and the others wait for what becomes of it: a dead
server that 300 domains share is asked a handful of questions, not 300 times as many.
"""

from __future__ import annotations

import asyncio
import random
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
    """The queries to one address, whatever the transport."""

    fastest: float
    """Seconds between two queries, at least."""
    slots: asyncio.Semaphore
    interval: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_at: float = 0.0


@dataclass(slots=True, eq=False)
class Lane:
    """What is known of an address over one transport."""

    address: str
    pace: Pace
    answers: int = 0
    streak: int = 0
    edns: bool = True
    edns_seen: bool = False
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one question that goes on while the lane is doubtful."""
    silent_until: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether it has given no sign of life, or none for long."""
        return self.streak >= STREAK or (self.streak > 0 and not self.answers)

    @property
    def silent(self) -> bool:
        """Whether the verdict of silence holds."""
        return self.silent_until > asyncio.get_running_loop().time()

    def give_up(self) -> None:
        """Call it silent."""
        self.silent_until = asyncio.get_running_loop().time() + SILENT_FOR

    def note(self, *, silence: bool) -> None:
        """Take note of a silence or a sign of life."""
        pace = self.pace
        if silence:
            self.streak += 1
            pace.interval = min(max(SLOWEST, pace.fastest), pace.interval * 2)
        else:
            self.answers, self.streak = self.answers + 1, 0
            pace.interval = max(pace.fastest, pace.interval / 2)


class Gate:
    """Lets queries through at the pace that the settings allow."""

    def __init__(self, settings: ObserveSettings) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings, self._interval = settings, 1 / settings.per_second
        self._slots, self._turn, self._next_at = asyncio.Semaphore(settings.in_flight), asyncio.Lock(), 0.0

    def pace(self) -> Pace:
        """Return the pace of an address that was not asked yet."""
        interval = 1 / self._settings.per_server
        return Pace(interval, asyncio.Semaphore(self._settings.per_server_in_flight), interval)

    async def enter(self, pace: Pace) -> None:
        """Wait for one's turn to send; `leave` or `give_back` must follow."""
        await pace.slots.acquire()
        async with pace.turn:
            await self._sleep_until(pace.next_at)
            await self._slots.acquire()
            async with self._turn:
                await self._sleep_until(self._next_at)
                now = self._loop.time()
                self._next_at = now + self._interval
            # Jitter only ever slows: no second has more queries than the settings allow.
            pace.next_at = now + pace.interval * random.uniform(1, 1.25)  # noqa: S311 - jitter

    def leave(self, pace: Pace) -> None:
        """Say that a query is over."""
        self._slots.release()
        pace.slots.release()

    def give_back(self, pace: Pace) -> None:
        """Leave without having sent anything: the next may have this turn."""
        pace.next_at = min(pace.next_at, self._loop.time())
        self._next_at -= self._interval
        self.leave(pace)

    async def _sleep_until(self, at: float) -> None:
        while (left := at - self._loop.time()) > 0:
            await asyncio.sleep(left)
