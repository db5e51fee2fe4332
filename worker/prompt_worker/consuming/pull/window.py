"""How many pulls may be open: what they bring must fit beside the messages that are not settled yet."""

from __future__ import annotations

import threading

from prompt_worker.platform.pubsub.limits import MESSAGE_BYTES

# The next answer is expected to be as large as the last one, and at least this part of what was expected before it:
# sizes vary.
FADING = 0.9


class Window:
    """Counts pulls, and bytes in flight: of messages that were received and are not settled, read or not.

    There is always room for one pull when nothing is in flight, so that a message larger than `limit` bytes passes,
    alone. At most `pulls` are open or have an answer that was not read. Safe to use from several threads.
    """

    def __init__(self, *, pulls: int, limit: float) -> None:
        self._pulls = pulls
        self._limit = limit
        # Pulls whose answers were not read, and those of them that were not answered yet.
        self.unread = 0
        self._open = 0
        self._bytes = 0
        # Bytes of an answer; nothing is known before the first one.
        self._expected: float = MESSAGE_BYTES
        self._lock = threading.Lock()

    def open(self) -> bool:
        """Counts another pull if there is room for its answer."""
        with self._lock:
            if self.unread >= self._pulls:
                return False
            if (self._bytes or self._open) and not self._fits():
                return False
            self.unread += 1
            self._open += 1
            return True

    def answered(self, size: int) -> None:
        """A pull brought messages of `size` bytes; 0 where it brought none, or failed."""
        with self._lock:
            self._open -= 1
            self._bytes += size
            if size:
                self._expected = max(size, self._expected * FADING)

    def read(self) -> None:
        """The answer of a pull was read."""
        with self._lock:
            self.unread -= 1

    def settled(self, size: int) -> None:
        """Messages of `size` bytes are no longer in flight."""
        with self._lock:
            self._bytes -= size

    def _fits(self) -> bool:
        return self._bytes + (self._open + 1) * self._expected <= self._limit
