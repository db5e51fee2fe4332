"""Wakes a thread. Unlike `threading.Event` it may be rung from a signal handler that interrupts a ringing."""

from __future__ import annotations

import queue
from contextlib import suppress


class Bell:
    def __init__(self) -> None:
        self._rung: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout: float | None) -> None:
        """Until it is rung, or `timeout` seconds are over."""
        with suppress(queue.Empty):
            self._rung.get(timeout=timeout)
            self._rung.put(None)

    def silence(self) -> None:
        """Before looking for what it was rung for."""
        with suppress(queue.Empty):
            while True:
                self._rung.get_nowait()
