"""Events that will not arrive: their futures fail, they are counted, and every id reaches the log with its reason."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from prompt_worker.publishing.errors import NotPublishedError

log = logging.getLogger(__name__)

_IDS_A_LINE = 100


class Losses:
    """Gathers the ids of one reason into lines of up to 100, since thousands may be lost in a second.

    An event without a valid id is logged as None.
    """

    def __init__(self) -> None:
        self.refused = 0
        self.given_up = 0
        # Re-entrant: a signal handler may publish, too.
        self._lock = threading.RLock()
        self._ids: dict[str, list[str]] = defaultdict(list)

    def refuse(self, event_id: object, future: Future[str] | None, error: Exception, reason: str) -> None:
        """An event that the worker would reject; `reason` holds no text of it."""
        with self._lock:
            self.refused += 1
        self._add(f"refused: {reason}", [str(event_id)])
        if future is not None:
            fail(future, error)

    def give_up(self, lost: Iterable[tuple[object, Future[str] | None]], reason: str) -> None:
        """Valid events, each with its id and its future, that could neither be published nor kept."""
        events = list(lost)
        with self._lock:
            self.given_up += len(events)
        self._add(f"given up: {reason}", [str(event_id) for event_id, _ in events])
        for _, future in events:
            if future is not None:
                fail(future, NotPublishedError(reason))

    def report(self, *, at_least: int = 1) -> None:
        """Logs each reason that has gathered at least so many ids."""
        with self._lock:
            full = {reason: ids for reason, ids in self._ids.items() if len(ids) >= at_least}
            for reason in full:
                del self._ids[reason]
        for reason, ids in full.items():
            for start in range(0, len(ids), _IDS_A_LINE):
                chunk = ids[start : start + _IDS_A_LINE]
                log.error("%d events %s; event ids: %s", len(chunk), reason, " ".join(chunk))

    def _add(self, reason: str, ids: list[str]) -> None:
        with self._lock:
            self._ids[reason] += ids
        self.report(at_least=_IDS_A_LINE)


def fail(future: Future[str], error: Exception) -> None:
    """Ends `future`, unless its owner cancelled it."""
    with suppress(InvalidStateError):
        future.set_exception(error)


def succeed(future: Future[str], result: str) -> None:
    """Ends `future`, unless its owner cancelled it."""
    with suppress(InvalidStateError):
        future.set_result(result)
