"""The breaker: when nearly every event is rejected, it is the worker that is broken, not the events."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from prompt_worker.consuming.outcome import Outcome, Rejected
from prompt_worker.platform.failures import Failure


class BreakerError(Failure):
    """Nearly everything is rejected. Says why, and what to do."""

    exit_code = 70


class Breaker:
    """Opens when at least the fraction `ratio` of `window` or more events in a row was rejected."""

    def __init__(self, *, window: int, ratio: float) -> None:
        self._window = window
        self._ratio = ratio
        self._seen = 0
        self._rejected: Counter[str] = Counter()
        self._lock = threading.Lock()

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Call before these are settled, so that a broken worker dead-letters none of them. Raises `BreakerError`."""
        with self._lock:
            self._seen += len(outcomes)
            self._rejected.update(
                outcome.error_class for outcome in outcomes if isinstance(outcome, Rejected)
            )
            if self._seen < self._window:
                return
            rejected = self._rejected.total()
            if rejected >= self._ratio * self._seen:
                raise BreakerError(
                    f"{rejected} of the last {self._seen} events were rejected "
                    f"({', '.join(f'{name}: {number}' for name, number in self._rejected.most_common(3))}), so the "
                    "worker stops before it dead-letters more. Is it older than its publishers, or is a template "
                    "missing? 'prompt-worker doctor' checks; a larger PROMPT_WORKER_BREAKER_WINDOW lets more pass."
                )
            self._seen = 0
            self._rejected.clear()
