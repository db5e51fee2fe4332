"""Wakes a thread: `threading.Event`, but re-entrant: safe to set from a signal handler, whatever it interrupts."""

from __future__ import annotations

import queue
from contextlib import suppress


class Wakeup:
    def __init__(self) -> None:
        # A SimpleQueue is re-entrant (https://docs.python.org/3/library/queue.html#queue.SimpleQueue).
        self._set: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        if self._set.empty():
            self._set.put(None)

    def is_set(self) -> bool:
        return not self._set.empty()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set, for `timeout` seconds at most; whether it is set."""
        with suppress(queue.Empty):
            self._set.get(timeout=timeout)
            self._set.put(None)
            return True
        return False

    def clear(self) -> None:
        """Call it before checking for what it was set for."""
        with suppress(queue.Empty):
            while True:
                self._set.get_nowait()
