"""Bounds on time that hold on a loaded machine of two cores, and still tell right from wrong."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

# Seconds by which all that runs beside a test may hold up what it measures. A bound is what is promised plus this,
# and what would be wrong takes longer still: a test makes it so.
LATE = 5.0
# Seconds to end in after SIGTERM: Cloud Run kills then.
STOP_SECONDS = 10.0


def starved(pid: int) -> float:
    """Seconds for which a thread of this process was ready and had no core; of the one that waited longest.

    Linux says it (proc(5), schedstat); 0 elsewhere, and once the process has ended.
    """
    waited = [0.0]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError, IndexError, ValueError):
                waited.append(int((task / "schedstat").read_text().split()[1]) / 1e9)
    return max(waited)


class Clock:
    """Stands still in place of `time` in a module, and goes on when a test says so."""

    def __init__(self) -> None:
        self._now = 1000.0

    def monotonic(self) -> float:
        return self._now

    def passes(self, seconds: float) -> None:
        self._now += seconds
