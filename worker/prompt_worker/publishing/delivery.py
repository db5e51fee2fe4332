"""Publishing while Pub/Sub accepts it; when to try again while it does not."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from prompt_worker.publishing.encoding.message import Message
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SHORTEST_REQUEST_SECONDS = 0.1
REFUSES_ALL = "the topic refuses every message as invalid: check its name and its schema"


class Connection(Protocol):
    """To one topic."""

    def publish(self, messages: Sequence[Message], timeout: float) -> Sequence[str]:
        """The message id of each, in order, within `timeout` seconds.

        Raises `UnpublishableError` or `UnavailableError`.
        """

    def close(self) -> None:
        """Ends a request in flight, too; may be called again. The connection is not used any more."""


class Delivery:
    """Sends messages, and pauses between attempts that fail. For one thread.

    `connect` makes a connection when one is needed; `timeout` is in seconds, for one request. `loaded` says
    whether the first was made, or failed: until then the client library is being loaded.
    """

    def __init__(self, connect: Callable[[], Connection], timeout: float) -> None:
        self._connect, self._timeout = connect, timeout
        self._connection: Connection | None = None
        self.loaded = False
        self._requested_at = float("inf")
        # Whether the request before this one was accepted.
        self._accepts = False
        self._deadline = float("inf")
        self._retry_at = 0.0
        self._failures = 0
        self._trouble = ""

    def unavailable_for(self) -> float:
        """Seconds until the next attempt is due, 0 when it is."""
        return max(0.0, self._retry_at - time.monotonic())

    def try_now(self, deadline: float) -> None:
        """Before the end: forgets the pause, and lets no request outlast `deadline` (monotonic)."""
        self._deadline = deadline
        self._retry_at = 0.0
        self._failures = 0

    def interrupt(self, seconds: float) -> None:
        """From another thread: ends a request that has taken so long already."""
        connection = self._connection
        if connection is not None and time.monotonic() - self._requested_at >= seconds:
            connection.close()

    def back_off(self) -> None:
        """Pauses, twice as long after each failure in a row."""
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._failures)
        self._failures += 1
        self._retry_at = time.monotonic() + longest * random.uniform(0.75, 1.25)  # noqa: S311

    def send(self, messages: Sequence[Message]) -> list[str | UnpublishableError]:
        """The message id of each, or why it will never have one, in order.

        Raises `UnavailableError` when none can be sent now; it has been logged, and `unavailable_for` says how long.
        A topic that refuses all of them counts as unavailable: only beside one that it accepts is a message at fault.
        """
        if self.unavailable_for():
            raise UnavailableError(self._trouble)
        try:
            results = self._send_parts(messages)
            self._doubt(results)
        except Exception as error:
            self._became_unavailable(error)
            raise UnavailableError(self._trouble) from error
        if self._failures:
            log.info("Pub/Sub accepts events again")
        self._failures, self._trouble = 0, ""
        return results

    def _send_parts(self, messages: Sequence[Message]) -> list[str | UnpublishableError]:
        """Halves what is unpublishable until the bad message is alone."""
        try:
            return list(self._request(messages))
        except UnpublishableError as error:
            if len(messages) == 1:
                return [error]
            half = len(messages) // 2
            return self._send_parts(messages[:half]) + self._send_parts(messages[half:])

    def _doubt(self, results: Sequence[str | UnpublishableError]) -> None:
        """Raises `UnavailableError` when the topic itself may be what is refused."""
        if not any(isinstance(result, UnpublishableError) for result in results):
            self._accepts = True
            return
        alone = len(results) == 1 and self._accepts
        self._accepts = any(isinstance(result, str) for result in results)
        if not self._accepts and not alone:
            raise UnavailableError(REFUSES_ALL)

    def _request(self, messages: Sequence[Message]) -> Sequence[str]:
        if self._connection is None:
            try:
                self._connection = self._connect()
            finally:
                self.loaded = True
        now = time.monotonic()
        self._requested_at = now
        try:
            left = max(_SHORTEST_REQUEST_SECONDS, self._deadline - now)
            return self._connection.publish(messages, min(self._timeout, left))
        finally:
            self._requested_at = float("inf")

    def _became_unavailable(self, error: Exception) -> None:
        self.back_off()
        if self._connection is not None:
            # A new one connects at once, where this would pause for minutes.
            self._connection.close()
            self._connection = None
        # What others raise, as the import of the client library may, could hold anything.
        trouble = str(error) if isinstance(error, UnavailableError) else type(error).__name__
        if trouble != self._trouble:
            log.warning("Pub/Sub is unavailable, events are queued: %s", trouble)
        self._trouble = trouble
