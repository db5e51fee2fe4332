"""Ends the waiting of the thread that refreshes, also while it waits for a socket."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress


class Waking:
    """Set from any thread; it stays set."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        with suppress(OSError):
            self._writing.send(b"x")

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float, other: int | None = None) -> bool:
        """Waits until it is set or the file descriptor `other` has something to read; whether the latter is so."""
        until = time.monotonic() + seconds
        watched = [self._reading.fileno(), *([other] if other is not None else [])]
        while not self._is_set:
            left = until - time.monotonic()
            if left <= 0:
                return False
            ready, _, _ = select.select(watched, [], [], left)
            if other is not None and other in ready:
                return True
        return False

    def close(self) -> None:
        self._reading.close()
        self._writing.close()
