"""Publishing while Pub/Sub takes it; when to try again while it does not."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prompt_worker.publishing.message import Message, UnpublishableError

if TYPE_CHECKING:
    from prompt_worker.publishing.connection import Connection

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_SHORTEST_REQUEST_S = 0.1


class AwayError(Exception):
    """Pub/Sub did not take the messages now; it has been logged, and `away_for` says when to try again."""


class Post:
    """For one thread. `timeout` is in seconds, for one request."""

    def __init__(self, project: str, topic: str, timeout: float) -> None:
        self._project, self._topic, self._timeout = project, topic, timeout
        self._connection: Connection | None = None
        self._deadline = float("inf")
        self._retry_at = 0.0
        self._failures = 0
        self._trouble = ""

    def away_for(self) -> float:
        """Seconds until the next attempt is due, 0 when it is."""
        return max(0.0, self._retry_at - time.monotonic())

    def try_now(self, deadline: float) -> None:
        """Before it stops: forgets the pause, and lets no request outlast `deadline` (monotonic)."""
        self._deadline = deadline
        self._retry_at = 0.0
        self._failures = 0

    def back_off(self) -> None:
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._failures) * random.uniform(0.75, 1.25)  # noqa: S311
        self._failures += 1
        self._retry_at = time.monotonic() + pause

    def send(self, messages: Sequence[Message]) -> list[str | UnpublishableError]:
        """The message id of each, or why it will never have one. Raises `AwayError` when none can be sent now."""
        if self.away_for():
            raise AwayError
        try:
            results = self._send_parts(messages)
        except Exception as error:
            self._went_away(error)
            raise AwayError from error
        if self._failures:
            log.info("Pub/Sub takes events again")
        self._failures, self._trouble = 0, ""
        return results

    def _send_parts(self, messages: Sequence[Message]) -> list[str | UnpublishableError]:
        """Halves what is unpublishable until the bad message stands alone."""
        try:
            return list(self._request(messages))
        except UnpublishableError as error:
            if len(messages) == 1:
                return [error]
            half = len(messages) // 2
            return self._send_parts(messages[:half]) + self._send_parts(messages[half:])

    def _request(self, messages: Sequence[Message]) -> Sequence[str]:
        if self._connection is None:
            from prompt_worker.publishing.connection import Connection

            self._connection = Connection(self._project, self._topic)
        left = max(_SHORTEST_REQUEST_S, self._deadline - time.monotonic())
        return self._connection.publish(messages, min(self._timeout, left))

    def _went_away(self, error: Exception) -> None:
        from prompt_worker.publishing.connection import advice

        self.back_off()
        if self._connection is not None:
            self._connection.close()  # a new one connects at once, where this would pause for minutes
            self._connection = None
        trouble = advice(error, self._project, self._topic)
        if trouble != self._trouble:
            log.warning("Pub/Sub does not take events, they wait: %s", trouble)
        self._trouble = trouble
