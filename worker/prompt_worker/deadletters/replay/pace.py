"""How fast a replay sends: at most a given rate, and slower while what it sent grows old unsettled. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

SLOWEST = 1.0  # events a second
FASTEST = 50_000.0  # a higher limit is no limit
CHECK_SECONDS = 1.0  # between checks of what is unsettled
BURST_SECONDS = 0.5  # the largest batch, in seconds of the rate


class Pace:
    """`rate` in events a second, None for as fast as possible; `oldest` is the age in seconds an event may reach."""

    def __init__(self, rate: float | None, oldest: float, clock: Callable[[], float]) -> None:
        self._ceiling = rate or math.inf
        self._limit = self._ceiling
        self._oldest = oldest
        self._clock = clock
        self._started = self._free_at = self._checked_at = clock()
        self._sent = 0

    @property
    def limit(self) -> float:
        """Events a second at this moment; infinite for as fast as possible."""
        return self._limit

    @property
    def slowed(self) -> bool:
        return self._limit < self._ceiling

    def room(self, most: int) -> int:
        """How many of `most` may be sent in one batch, at least one."""
        return max(1, min(most, int(self._limit * BURST_SECONDS))) if self._limit < math.inf else most

    def wait(self) -> float:
        """Seconds until the next batch may be sent."""
        return max(0.0, self._free_at - self._clock())

    def sent(self, number: int) -> None:
        """Call after each batch."""
        self._sent += number
        self._free_at = max(self._free_at, self._clock() - BURST_SECONDS) + number / self._limit

    def due(self) -> bool:
        """Whether it is time to check the oldest unsettled event again."""
        now = self._clock()
        if now - self._checked_at < CHECK_SECONDS:
            return False
        self._checked_at = now
        return True

    def adapt(self, oldest: float) -> None:
        """Halves the limit while the oldest unsettled event is too old; doubles it again once it is young."""
        if oldest > self._oldest:
            usual = self._sent / max(self._clock() - self._started, CHECK_SECONDS)
            self._limit = max(SLOWEST, min(self._limit, usual) / 2)
        elif oldest < self._oldest / 2 and self.slowed:
            doubled = self._limit * 2
            self._limit = doubled if doubled < min(self._ceiling, FASTEST) else self._ceiling
