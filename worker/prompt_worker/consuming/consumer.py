"""The loop of every consumer: collect a batch, handle it, settle each message by its outcome.

Several lanes run the same straight line, so that one collects while another waits for the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from google.api_core.exceptions import GoogleAPIError

from prompt_worker.consuming.batch import Batch, FlushReason, Limits
from prompt_worker.consuming.breaker import Breaker
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.rejection import DeadLetterTopic, Rejection
from prompt_worker.platform import telemetry
from prompt_worker.platform.process import health

log = logging.getLogger(__name__)

Handle = Callable[[Sequence[Message]], list[Outcome]]

# Seconds between checks of the stop flag while nothing comes, and of whether the other lanes are done.
IDLE_WAIT = 0.5
BUSY_WAIT = 0.005
# Seconds without progress after which no batch waits for another one any more.
HANGING = 5.0
# Seconds for the batches in flight after a stop, and then for a cancelled statement. Cloud Run kills after 10.
GRACE = 4.0
CANCEL_GRACE = 1.0


class Source(Protocol):
    """Where messages come from: a `Subscription` that is pulled, or requests that are pushed."""

    def receive(self, timeout: float) -> list[Message]:
        """What comes next within `timeout` seconds, else nothing. Raises `DeploymentError` where no retry helps."""
        ...

    def is_exhausted(self) -> bool:
        """Whether nothing comes before something is settled."""
        ...

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """They are settled: they do not come again."""
        ...

    def hand_back(self, messages: Sequence[Message]) -> None:
        """They are not settled: they come again, here or elsewhere."""
        ...

    def close(self) -> None:
        """No more messages, and those that are not settled are handed back."""
        ...


class Consumer:
    """Joins a source, a handler (`handle`) and a dead-letter topic; `cancel` ends what the handler waits for."""

    def __init__(
        self,
        source: Source,
        handle: Handle,
        dead_letters: DeadLetterTopic,
        *,
        limits: Limits,
        breaker: Breaker,
        lanes: int,
        progress_seconds: float,
        stop: threading.Event,
        cancel: Callable[[], None],
    ) -> None:
        self._source = source
        self._run_handler = handle
        self._dead_letters = dead_letters
        self._limits = limits
        self._breaker = breaker
        self._lanes = [
            threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(lanes)
        ]
        self._progress_seconds = progress_seconds
        self._stop = stop
        self._cancel = cancel
        self._collecting = threading.Lock()
        # Of the last messages received, those that no longer fitted into their batch.
        self._left: Sequence[Message] = ()
        self._settling = threading.Lock()
        # The lanes that wait for their handler.
        self._handling: set[int] = set()
        self._totals: Counter[str] = Counter()
        # What failed first.
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Runs until `stop` is set or something fails, then stops in order; `failure` is None unless it did."""
        try:
            for lane in self._lanes:
                lane.start()
            while not self._stop.wait(self._progress_seconds):
                self._report()
        except BaseException as error:
            self._fail(error)
        grace = threading.Timer(GRACE, self._cancel)
        # A server that hangs does not answer a cancellation either.
        grace.daemon = True
        grace.start()
        deadline = time.monotonic() + GRACE + CANCEL_GRACE
        for lane in self._lanes:
            if lane.ident is not None:
                lane.join(max(0.0, deadline - time.monotonic()))
        grace.cancel()
        # Also hands back what a lane that hangs still holds.
        self._source.close()
        self._report("stopped")

    def _lane(self) -> None:
        try:
            while not self._stop.is_set():
                self._work()
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._stop.set()

    def _work(self) -> None:
        # Of its own, so that a lane that waits for its next batch holds nothing of the last one.
        batch = self._collect()
        if batch.messages:
            with health.in_flight():
                self._settle(batch.messages, self._handle(batch.messages))

    def _collect(self) -> Batch:
        batch = Batch(self._limits, time.monotonic)
        with self._collecting:
            self._left = batch.extend(self._left)
            while (reason := self._flush_reason(batch)) is None:
                remaining = batch.remaining()
                wait = IDLE_WAIT if remaining is None else max(remaining, BUSY_WAIT)
                self._left = batch.extend(self._source.receive(wait))
        if batch.messages:
            telemetry.record("batch_size", len(batch.messages), reason=reason)
        return batch

    def _flush_reason(self, batch: Batch) -> FlushReason | None:
        if self._stop.is_set():
            return "stop"
        reason = batch.ready()
        # While another batch is being written, this one may grow older, unless that one hangs or nothing more can
        # come: fewer and larger commits when there is most to do.
        if reason == "age" and self._handling and health.silence() < HANGING:
            return reason if self._source.is_exhausted() else None
        return reason

    def _handle(self, messages: Sequence[Message]) -> list[Outcome]:
        lane = threading.get_ident()
        self._handling.add(lane)
        try:
            outcomes = self._run_handler(messages)
            if len(outcomes) != len(messages):
                raise RuntimeError(f"the handler settled {len(outcomes)} of {len(messages)} messages")
            self._breaker.record(outcomes)
        except BaseException:
            self._source.hand_back(messages)
            raise
        finally:
            self._handling.discard(lane)
        return outcomes

    def _settle(self, messages: Sequence[Message], outcomes: Sequence[Outcome]) -> None:
        """Each message is settled here, once: acknowledged when committed or dead-lettered, else handed back."""
        done: list[Message] = []
        retry: list[Message] = []
        rejections: list[Rejection] = []
        for message, outcome in zip(messages, outcomes, strict=True):
            if isinstance(outcome, Rejected):
                rejections.append((message, outcome))
            elif outcome is Verdict.RETRY:
                retry.append(message)
            else:
                done.append(message)
        counts = Counter(
            {verdict.value: number for verdict in Verdict if (number := outcomes.count(verdict))}
        )
        self._source.acknowledge(done)
        if rejections:
            counts["dead-lettered"] = self._dead_letter(rejections)
            counts["retry"] += len(rejections) - counts["dead-lettered"]
            counts = +counts
        if retry:
            self._source.hand_back(retry)
        for name, number in counts.items():
            telemetry.count("events", number, outcome=name)
        with self._settling:
            self._totals.update(counts)

    def _dead_letter(self, rejections: Sequence[Rejection]) -> int:
        """How many were dead-lettered; the others are handed back."""
        try:
            refused = set(self._dead_letters.publish(rejections))
        except GoogleAPIError as error:
            log.warning(
                "%d rejected events handed back, not dead-lettered: %s. 'prompt-worker topics' creates the topic",
                len(rejections),
                type(error).__name__,
            )
            self._source.hand_back([message for message, _ in rejections])
            return 0
        if refused:
            log.warning(
                "%d rejected events handed back: Pub/Sub does not accept them on the dead-letter topic",
                len(refused),
            )
            self._source.hand_back([rejections[position][0] for position in refused])
        taken = [one for position, one in enumerate(rejections) if position not in refused]
        self._source.acknowledge([message for message, _ in taken])
        for error_class, number in Counter(rejected.error_class for _, rejected in taken).items():
            telemetry.count("dead_letters", number, error_class=error_class)
        return len(taken)

    def _report(self, message: str = "progress") -> None:
        log.info(
            "%s: %s",
            message,
            ", ".join(f"{number} {outcome}" for outcome, number in sorted(self._totals.items()))
            or "nothing yet",
            extra={"fields": {"event": message, "totals": dict(self._totals)}},
        )
