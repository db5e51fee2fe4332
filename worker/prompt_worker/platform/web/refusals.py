"""Refused requests: each is counted, and each reason is logged at most once a minute."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from prompt_worker.platform.web.answers import Answer

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0


class RefusedError(Exception):
    """A request that is refused. `reason` is one of a few, `detail` may be any; neither quotes the request."""

    def __init__(self, answer: Answer, reason: str, detail: str = "") -> None:
        self.answer = answer
        self.reason = reason
        self.detail = detail


class Refusals:
    """For use on the event loop alone. `requests` is what they are called in the log; `count` gets each status."""

    def __init__(self, requests: str, count: Callable[[int, int], None]) -> None:
        self._requests = requests
        self._count = count
        self._unlogged: Counter[str] = Counter()
        self._logged: dict[str, float] = {}

    def note(self, status: int, reason: str, detail: str = "", number: int = 1) -> None:
        """`reason` is one of a few; a `detail` is logged only with the request that its reason is logged with."""
        self._count(status, number)
        self._unlogged[reason] += number
        now = time.monotonic()
        if now - self._logged.get(reason, float("-inf")) < QUIET_SECONDS:
            return
        described = f"{reason} ({detail})" if detail else reason
        log.warning("%d %s answered %d: %s", self._unlogged.pop(reason), self._requests, status, described)
        self._logged[reason] = now
