"""A batch: messages up to a count, a size and an age."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from prompt_worker.consuming.message import Message

FlushReason = Literal["messages", "bytes", "age", "stop"]


class Limits(msgspec.Struct, frozen=True):
    """When a batch is full: number of messages, bytes of their bodies, seconds since its first message.

    A batch of several messages has no more bytes; one message may have.
    """

    messages: int
    bytes: int
    seconds: float


class Batch:
    """Fills up with messages. Its clock starts at the first one, so one after a quiet minute still finds company."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.messages: list[Message] = []
        self._limits = limits
        self._clock = clock
        self._bytes = 0
        self._started = 0.0
        # Whether there was a message that no longer fits.
        self._full = False

    def extend(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Adds those that fit by their bytes, at least one to an empty batch; returns the others."""
        if messages and not self.messages:
            self._started = self._clock()
        size = sum([len(message.data) for message in messages])
        if self._bytes + size > self._limits.bytes:
            return self._fill(messages)
        self.messages.extend(messages)
        self._bytes += size
        return ()

    def _fill(self, messages: Sequence[Message]) -> Sequence[Message]:
        for position, message in enumerate(messages):
            size = len(message.data)
            if self.messages and self._bytes + size > self._limits.bytes:
                self._full = True
                return messages[position:]
            self.messages.append(message)
            self._bytes += size
        return ()

    def remaining(self) -> float | None:
        """Seconds until it is old enough; None while it is empty."""
        if not self.messages:
            return None
        return max(0.0, self._started + self._limits.seconds - self._clock())

    def ready(self) -> FlushReason | None:
        """Which limit it has reached; None while none."""
        if len(self.messages) >= self._limits.messages:
            return "messages"
        if self._full or self._bytes >= self._limits.bytes:
            return "bytes"
        if self.remaining() == 0.0:
            return "age"
        return None
