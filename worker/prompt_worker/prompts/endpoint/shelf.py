"""The edition that is served, and the clients that wait for another one. For use on the event loop alone."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Coroutine
from itertools import count
from typing import Any

from prompt_worker.platform.web.answers import Answer, Receive, Send
from prompt_worker.prompts.endpoint.answers import revision_answer
from prompt_worker.prompts.endpoint.edition import Edition
from prompt_worker.prompts.endpoint.query import After

# Between checks for clients that have waited long enough.
CHECK_SECONDS = 0.25
# Answers that are begun before others get their turn.
AT_ONCE = 200


class Waiter:
    """A request that is held. It costs one task, which ends when it is answered or its client leaves."""

    __slots__ = ("after", "send")

    def __init__(self, after: After, send: Send) -> None:
        self.after = after
        # None once it has ended.
        self.send: Send | None = send


class Shelf:
    """`edition` is None until the registry has been read once."""

    def __init__(self) -> None:
        self.edition: Edition | None = None
        # When the database was last seen to have this edition, on `time.monotonic`'s clock.
        self.checked_at = float("-inf")
        self._waiters: set[Waiter] = set()
        self._deadlines: list[tuple[float, int, Waiter]] = []
        self._order = count()
        self._sending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Clients that wait."""
        return len(self._waiters)

    @property
    def age_seconds(self) -> float:
        """For how long nothing is known about the registry; infinite before it was read."""
        return max(0.0, time.monotonic() - self.checked_at)

    def replace(self, edition: Edition) -> None:
        """Answers those who wait for it."""
        self.edition = edition
        position = edition.position
        self._answer(
            [waiter for waiter in self._waiters if not waiter.after.has(position.epoch, position.revision)]
        )

    def is_news(self, after: After) -> bool:
        """Whether a client is to be answered now."""
        position = self.edition.position if self.edition else None
        return self._closed or position is None or not after.has(position.epoch, position.revision)

    async def hold(self, after: After, receive: Receive, send: Send) -> None:
        """Until there is a later edition or the time is over, which is answered, or the client has left."""
        waiter = Waiter(after, send)
        self._waiters.add(waiter)
        deadline = time.monotonic() + after.wait
        heapq.heappush(self._deadlines, (deadline, next(self._order), waiter))
        try:
            # Also what is received once the answer has been sent.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._waiters.discard(waiter)
            # Its place among the deadlines stays for a while, and must not keep all of the request.
            waiter.send = None

    async def answer_overdue(self) -> None:
        """Runs until it is cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = time.monotonic()
            overdue = []
            while self._deadlines and self._deadlines[0][0] <= now:
                waiter = heapq.heappop(self._deadlines)[-1]
                if waiter in self._waiters:
                    overdue.append(waiter)
            self._answer(overdue)

    def close(self) -> None:
        """Answers all who wait, and holds nobody any more."""
        self._closed = True
        self._answer(list(self._waiters))

    def _answer(self, waiters: list[Waiter]) -> None:
        if self.edition is None or not waiters:
            return
        self._waiters.difference_update(waiters)
        self._keep(self._send_all(revision_answer(self.edition, self.age_seconds), waiters))

    async def _send_all(self, answer: Answer, waiters: list[Waiter]) -> None:
        """A task for each, so that nobody waits for a client that reads slowly."""
        for number, waiter in enumerate(waiters, 1):
            if waiter.send is not None:
                self._keep(answer.send(waiter.send))
            if number % AT_ONCE == 0:
                # Other requests get their turn.
                await asyncio.sleep(0)

    def _keep(self, sending: Coroutine[Any, Any, None]) -> None:
        """Until it is done: the loop itself holds tasks weakly."""
        task = asyncio.ensure_future(sending)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
