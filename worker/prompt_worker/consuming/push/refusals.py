"""Refused requests: each is counted, and told once a minute for each reason."""

from __future__ import annotations

import logging
import time
from collections import Counter

from prompt_worker.platform import telemetry

log = logging.getLogger(__name__)

QUIET_SECONDS = 60.0


class Refusals:
    """On the event loop alone."""

    def __init__(self) -> None:
        self._untold: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def note(self, status: int, reason: str, detail: str = "", number: int = 1) -> None:
        """`reason` is one of a few; of the `detail` only the first is told."""
        telemetry.count("refused_requests", number, status=str(status))
        self._untold[reason] += number
        now = time.monotonic()
        if now - self._told.get(reason, float("-inf")) < QUIET_SECONDS:
            return
        told = f"{reason} ({detail})" if detail else reason
        log.warning("%d push requests answered %d: %s", self._untold.pop(reason), status, told)
        self._told[reason] = now
