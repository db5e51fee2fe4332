"""Room for requests: how many may be in flight, and how many bytes of their bodies."""

from __future__ import annotations

from prompt_worker.consuming.push import answers
from prompt_worker.platform.pubsub.limits import PUSHED_BYTES
from prompt_worker.platform.web.refusals import RefusedError


class Room:
    """For use on the event loop alone."""

    def __init__(self, *, requests: int, size: int) -> None:
        self._requests = requests
        self._bytes = size

    def enter(self) -> Place:
        """A place for a request. Raises `RefusedError`."""
        if not self._requests:
            raise RefusedError(answers.FULL, "PROMPT_WORKER_PUSH_IN_FLIGHT requests are in flight")
        self._requests -= 1
        return Place(self)

    def take(self, size: int) -> None:
        """Bytes of one that entered. Raises `RefusedError`."""
        if size > self._bytes:
            raise RefusedError(answers.FULL, "PROMPT_WORKER_PUSH_IN_FLIGHT_BYTES are in flight")
        self._bytes -= size

    def leave(self, size: int) -> None:
        """A request, with all its bytes."""
        self._requests += 1
        self._bytes += size


class Place:
    """Of one request, and then of its message: it is left when that is let go, which may be after the answer."""

    def __init__(self, room: Room) -> None:
        self._room: Room | None = room
        self._size = 0

    def grow(self, size: int) -> None:
        """So many bytes of the body are known to come, or came. Raises `RefusedError`."""
        if size > PUSHED_BYTES:
            raise RefusedError(answers.TOO_LARGE, f"a body of more than {PUSHED_BYTES:,} bytes")
        if self._room and size > self._size:
            self._room.take(size - self._size)
            self._size = size

    def leave(self) -> None:
        """Once; again it does nothing."""
        room, self._room = self._room, None
        if room:
            room.leave(self._size)
