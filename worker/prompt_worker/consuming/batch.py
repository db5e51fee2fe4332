"""A batch: messages up to a count, a size and an age."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from prompt_worker.consuming.subscription import Message

FlushReason = Literal["messages", "bytes", "age", "stop"]


class Limits(msgspec.Struct, frozen=True):
    """When a batch is full: number of messages, bytes of their bodies, seconds since its first message."""

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

    def extend(self, messages: Sequence[Message]) -> None:
        if messages and not self.messages:
            self._started = self._clock()
        self.messages.extend(messages)
        self._bytes += sum([len(message.data) for message in messages])

    def remaining(self) -> float | None:
        """Seconds until it is old enough; None while it is empty."""
        if not self.messages:
            return None
        return max(0.0, self._started + self._limits.seconds - self._clock())

    def ready(self) -> FlushReason | None:
        """Which limit it has reached; None while none."""
        if len(self.messages) >= self._limits.messages:
            return "messages"
        if self._bytes >= self._limits.bytes:
            return "bytes"
        if self.remaining() == 0.0:
            return "age"
        return None
