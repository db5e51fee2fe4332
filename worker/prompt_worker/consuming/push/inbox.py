"""Between the event loop and a consumer's lanes: requests on their way in, answers on their way back."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Sequence
from itertools import takewhile
from typing import cast

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.push.envelope import PushedMessage

# Requests that arrive within it wake a lane once.
GATHER_SECONDS = 0.002


class Inbox:
    """The source of a consumer. Call `put`, `age` and `give_up` on the event loop; the rest is for the lanes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gathered: list[PushedMessage] = []
        self._ready: queue.SimpleQueue[list[PushedMessage]] = queue.SimpleQueue()
        # Since when each waits, on the loop's clock; the oldest first.
        self._waiting: dict[PushedMessage, float] = {}
        self._closed = False

    def put(self, message: PushedMessage) -> asyncio.Future[bool]:
        """A future of whether the message is settled; if not, Pub/Sub should send it again."""
        answer = message.answer = self._loop.create_future()
        if self._closed:
            message.let_go()
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
        """Answers "not settled" to all that have waited for `seconds`. Their events may still be settled later."""
        limit = self._loop.time() - seconds
        overdue = list(takewhile(lambda message: self._waiting[message] <= limit, self._waiting))
        self._answer(overdue, settled=False)

    def receive(self, timeout: float) -> list[Message]:
        """The next messages within `timeout` seconds that still wait for their answer."""
        try:
            messages = self._ready.get(timeout=timeout)
        except queue.Empty:
            return []
        waiting: list[Message] = [message for message in messages if not message.answer.done()]
        if len(waiting) < len(messages):
            given_up = [message for message in messages if message.answer.done()]
            self._loop.call_soon_threadsafe(_let_go, given_up)
        return waiting

    def is_exhausted(self) -> bool:
        """Never: requests that come are answered, if only with a refusal."""
        return False

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self._loop.call_soon_threadsafe(self._settle, messages, True)

    def hand_back(self, messages: Sequence[Message]) -> None:
        self._loop.call_soon_threadsafe(self._settle, messages, False)

    def close(self) -> None:
        """Answers "not settled" to all that wait, and to all that come later."""
        self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._closed = True
        self._answer(list(self._waiting), settled=False)

    def _hand_over(self) -> None:
        self._ready.put(self._gathered)
        self._gathered = []

    def _settle(self, messages: Sequence[Message], settled: bool) -> None:
        pushed = cast(Sequence[PushedMessage], messages)
        _let_go(pushed)
        self._answer(pushed, settled)

    def _answer(self, messages: Sequence[PushedMessage], settled: bool) -> None:
        for message in messages:
            # Given up before, or its client left: then nobody waits.
            if self._waiting.pop(message, None) is not None and not message.answer.done():
                message.answer.set_result(settled)


def _let_go(messages: Sequence[PushedMessage]) -> None:
    for message in messages:
        message.let_go()
