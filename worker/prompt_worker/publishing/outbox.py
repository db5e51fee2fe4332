"""What waits in memory to be sent: bounded by count and bytes, owned by one settler at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from uuid import UUID

from prompt_worker.platform.pubsub.limits import REQUEST_MESSAGES
from prompt_worker.publishing.encoding.message import Message

BATCH_EVENTS = REQUEST_MESSAGES
# Of bodies; a larger one travels alone.
BATCH_BYTES = 4_000_000


@dataclass(slots=True, eq=False)
class Pending:
    """One event on its way. `message` is made from `body` and `attributes` off the caller's thread.

    `event_id` is None where the caller gave something else: it may not be logged.
    """

    event_id: UUID | None
    body: bytes
    attributes: dict[str, str]
    future: Future[str] = field(default_factory=Future)
    message: Message | None = None


class Outbox:
    """At most `events` events and `size` bytes, those being sent included."""

    def __init__(self, events: int, size: int) -> None:
        self._events, self._size = events, size
        # Re-entrant: a signal handler may publish, too.
        self._lock = threading.RLock()
        self._waiting: deque[Pending] = deque()
        self._sending: set[Pending] = set()
        self._bytes = 0
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sending)

    def put(self, pending: Pending) -> bool:
        """False when it is full or closed."""
        size = len(pending.body)
        with self._lock:
            if self.closed or len(self) >= self._events or self._bytes + size > self._size:
                return False
            self._bytes += size
            self._waiting.append(pending)
        return True

    def take(self) -> list[Pending]:
        """The oldest, as many as go into one request. They stay counted until settled or put back."""
        batch: list[Pending] = []
        size = 0
        with self._lock:
            while self._waiting and len(batch) < BATCH_EVENTS:
                size += len(self._waiting[0].body)
                if batch and size > BATCH_BYTES:
                    break
                batch.append(self._waiting.popleft())
            self._sending.update(batch)
        return batch

    def put_back(self, batch: Iterable[Pending]) -> None:
        """To the front."""
        with self._lock:
            owned = [pending for pending in batch if pending in self._sending]
            self._sending.difference_update(owned)
            self._waiting.extendleft(reversed(owned))

    def put_back_all(self) -> None:
        self.put_back(list(self._sending))

    def settle(self, batch: Iterable[Pending]) -> list[Pending]:
        """Lets go of `batch`; returns those of it that nobody else has settled."""
        with self._lock:
            owned = [pending for pending in batch if pending in self._sending]
            self._sending.difference_update(owned)
            self._bytes -= sum(len(pending.body) for pending in owned)
        return owned

    def close(self) -> list[Pending]:
        """Accepts no more; returns all that is left, that being sent included."""
        with self._lock:
            self.closed = True
            left = [*self._sending, *self._waiting]
            self._sending.clear()
            self._waiting.clear()
            self._bytes = 0
        return left
