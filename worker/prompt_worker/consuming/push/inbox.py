"""Between the event loop and a consumer's lanes: requests on their way in, answers on their way back."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Sequence
from itertools import takewhile
from typing import cast

from prompt_worker.consuming.push.envelope import PushedMessage
from prompt_worker.consuming.subscription import Message

GATHER_SECONDS = 0.002  # requests of a moment wake a lane once


class Inbox:
    """The source of a consumer. `put`, `age` and `overdue` belong to the event loop, the rest to the lanes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gathered: list[PushedMessage] = []
        self._ready: queue.SimpleQueue[list[PushedMessage]] = queue.SimpleQueue()
        self._waiting: dict[PushedMessage, float] = {}  # since when, on the loop's clock; the oldest first
        self._closed = False

    def put(self, message: PushedMessage) -> asyncio.Future[bool]:
        """Whether it is settled, once that is known: if not, it is to be sent again."""
        answer = message.answer = self._loop.create_future()
        if self._closed:
            answer.set_result(False)
            return answer
        self._waiting[message] = self._loop.time()
        if not self._gathered:
            self._loop.call_later(GATHER_SECONDS, self._hand_over)
        self._gathered.append(message)
        return answer

    def age(self) -> float:
        """Seconds that the oldest request has been waiting."""
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else self._loop.time() - oldest

    def give_up(self, seconds: float) -> None:
        """Answers "not settled" to all that have been waiting for so long. Their events may still be."""
        limit = self._loop.time() - seconds
        overdue = list(takewhile(lambda message: self._waiting[message] <= limit, self._waiting))
        self._answer(overdue, settled=False)

    def receive(self, timeout: float) -> list[Message]:
        """What came in within `timeout` seconds and still waits for its answer."""
        try:
            messages = self._ready.get(timeout=timeout)
        except queue.Empty:
            return []
        return [message for message in messages if not message.answer.done()]

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self._loop.call_soon_threadsafe(self._answer, messages, True)

    def hand_back(self, messages: Sequence[Message]) -> None:
        self._loop.call_soon_threadsafe(self._answer, messages, False)

    def close(self) -> None:
        """Nothing is settled any more: all that still wait are told so, and all that come later."""
        self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closed = True
        self._answer(list(self._waiting), settled=False)

    def _hand_over(self) -> None:
        self._ready.put(self._gathered)
        self._gathered = []

    def _answer(self, messages: Sequence[Message], settled: bool) -> None:
        for message in cast(Sequence[PushedMessage], messages):
            # Given up before, or the client went away: then nobody waits.
            if self._waiting.pop(message, None) is not None and not message.answer.done():
                message.answer.set_result(settled)
