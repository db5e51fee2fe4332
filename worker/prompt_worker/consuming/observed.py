"""A handler that is observed: how long it takes, how old its messages are, and the spans of traced ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from prompt_worker.consuming import traces
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.platform.telemetry.metrics import record, watch

if TYPE_CHECKING:
    from prompt_worker.consuming.message import Message

# Recording one latency costs half as much as an event. A batch is committed together, so a few are enough.
ONE_IN = 250


class Observed:
    """Does what `handler` does, for the messages of one subscription, and records it. `cancel` is not wrapped."""

    def __init__(self, handler: Callable[[Sequence[Message]], list[Outcome]], subscription: str) -> None:
        self._handler = handler
        self._subscription = subscription
        # By thread: publish time of the oldest message, and their number.
        self._in_flight: dict[int, tuple[float, int]] = {}
        watch("oldest_in_hand", self._oldest, subscription=subscription)
        watch("messages_in_hand", self._number, subscription=subscription)

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message; raises what the handler raises."""
        started = time.perf_counter()
        sample = range(0, len(messages), ONE_IN)
        published = [messages[position].publish_time for position in sample]
        lane = threading.get_ident()
        self._in_flight[lane] = min(published), len(messages)
        try:
            with traces.batch(messages, self._subscription) as spans:
                outcomes = self._handler(messages)
                for position, span in spans.items():
                    span.set_attribute("prompt_worker.consuming.outcome", _name(outcomes[position]))
        finally:
            del self._in_flight[lane]
        record("handling", time.perf_counter() - started, subscription=self._subscription)
        written = [
            (messages[position], publish_time)
            for position, publish_time in zip(sample, published, strict=True)
            if outcomes[position] is Verdict.WRITTEN
        ]
        self._record_latency(written)
        return outcomes

    def _record_latency(self, written: Sequence[tuple[Message, float]]) -> None:
        now = time.time()
        for message, published in written:
            record(
                "end_to_end", max(0.0, now - published), since="published", subscription=self._subscription
            )
            if executed := _executed(message):
                record(
                    "end_to_end", max(0.0, now - executed), since="executed", subscription=self._subscription
                )

    def _oldest(self) -> float:
        return max((time.time() - published for published, _ in list(self._in_flight.values())), default=0.0)

    def _number(self) -> int:
        return sum(number for _, number in list(self._in_flight.values()))


def _name(outcome: Outcome) -> str:
    return f"rejected: {outcome.error_class}" if isinstance(outcome, Rejected) else outcome.value


def _executed(message: Message) -> float | None:
    """Unix seconds: `executed_at`, as the publisher repeats it beside the body."""
    try:
        return datetime.fromisoformat(message.attributes.get("ce-time", "")).timestamp()
    except (ValueError, OverflowError):
        return None
