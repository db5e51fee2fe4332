"""Bounds on time that hold on a loaded machine of two cores, and still tell right from wrong."""

from __future__ import annotations

# Seconds by which all that runs beside a test may hold up what it measures. A bound is what is promised plus this,
# and what would be wrong takes longer still: a test makes it so.
LATE = 5.0
# Seconds to end in after SIGTERM: Cloud Run kills then.
STOP_SECONDS = 10.0


class Clock:
    """Stands still in place of `time` in a module, and goes on when a test says so."""

    def __init__(self) -> None:
        self._now = 1000.0

    def monotonic(self) -> float:
        return self._now

    def passes(self, seconds: float) -> None:
        self._now += seconds
