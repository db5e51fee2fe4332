"""The handler of the guardrail worker: messages become evaluations and violations, each event once.

The way of an event: `received` reads the message, `evaluating` judges its texts (under the `active` guardrails, with
the `templates` it was rendered from), `violation` describes what was found, `alerts` announces what is urgent, `store`
records it all. The execution's own row may come later or never: nothing here depends on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import psycopg2
from sqlalchemy import Engine

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.settling import Repeats, settle
from prompt_worker.guardrails.finding import HashKey
from prompt_worker.guardrails.recording.alerts import AlertTopic, deserves_alert
from prompt_worker.guardrails.recording.counting import count_recorded
from prompt_worker.guardrails.recording.evaluating import BYTES_AT_ONCE, EventEvaluator, PendingEvent
from prompt_worker.guardrails.recording.key import open_key
from prompt_worker.guardrails.recording.received import receive
from prompt_worker.guardrails.recording.store import EvaluatedEvent, find_evaluated, record
from prompt_worker.platform.postgres.errors import describe, error_class
from prompt_worker.platform.postgres.halving import Halving
from prompt_worker.platform.postgres.leaves import Leaves
from prompt_worker.platform.postgres.primary_key import PrimaryKey
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.process import health
from prompt_worker.platform.pubsub.topic import Topic
from prompt_worker.platform.settings import GuardrailSettings

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Parts

WARY = 60.0  # seconds after a redelivery in which events are looked up before they are evaluated

InBatch = TypeVar("InBatch", PendingEvent, EvaluatedEvent)


def open_handler(parts: Parts, settings: GuardrailSettings) -> GuardrailHandler:
    """As the worker runs it."""
    topic = Topic(parts.publisher, parts.topology.topic_path(parts.topology.names.violations_topic))
    return GuardrailHandler(
        parts.engine,
        AlertTopic(topic, parts.stop),
        parts.stop,
        refresh_seconds=settings.refresh_seconds,
        key=open_key(settings),
    )


class GuardrailHandler:
    """Evaluates batches; safe to call from several threads. A set `stop` ends all retrying."""

    def __init__(
        self,
        engine: Engine,
        alerts: AlertTopic,
        stop: threading.Event,
        *,
        refresh_seconds: float,
        key: HashKey | None,
        transactions: Callable[[Engine, threading.Event], Transactions] = Transactions,
    ) -> None:
        self._transactions = transactions(engine, stop)
        self._recorded = PrimaryKey(self._transactions, "guardrail_evaluations")
        self._leaves = Leaves(self._transactions, "guardrail_evaluations")
        self._halving: Halving[EvaluatedEvent] = Halving(stop, attrgetter("event_id"))
        self._alerts = alerts
        self._evaluator = EventEvaluator(self._transactions, refresh_seconds=refresh_seconds, key=key)
        self._wary_until = 0.0
        # One batch at a time: two would be no faster, and an event is several times as large as its message.
        self._reading = threading.Lock()

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message, in their order. Raises `DeploymentError`."""

        def handle(positions: Sequence[int], outcomes: list[Outcome], repeats: Repeats) -> None:
            self._handle(self._read(messages, positions, outcomes, repeats), outcomes)

        return settle(messages, handle)

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread; their messages are handed back."""
        self._transactions.cancel()

    def _read(
        self,
        messages: Sequence[Message],
        positions: Sequence[int],
        outcomes: list[Outcome],
        repeats: Repeats,
    ) -> list[PendingEvent]:
        events: dict[int, PendingEvent] = {}
        few_bytes = sum([len(messages[position].data) for position in positions]) <= BYTES_AT_ONCE
        with health.taking_turns(self._reading if few_bytes else self._evaluator.turn):
            for position in positions:
                received = receive(messages[position])
                if received is None:
                    outcomes[position] = Verdict.SKIPPED  # the execution worker dead-letters it
                    continue
                event_id = received.event_id
                kept = received if few_bytes else None
                event = PendingEvent(event_id, messages[position], position, kept)
                first = events.setdefault(event_id.int, event).position
                if first != position:
                    repeats.append((position, first))
        return list(events.values())

    def _handle(self, events: Sequence[PendingEvent], outcomes: list[Outcome]) -> None:
        if time.monotonic() < self._wary_until:
            events = self._new(events, outcomes)
        if not events:
            return
        for part in self._evaluator.evaluate(events, outcomes):
            # An event that was recorded before is a duplicate, even if it can no longer be evaluated.
            self._new([event for event in events if isinstance(outcomes[event.position], Rejected)], outcomes)
            if not self._announce_and_record(part, outcomes):
                return

    def _announce_and_record(self, evaluated: Sequence[EvaluatedEvent], outcomes: list[Outcome]) -> bool:
        """False when stopped before Pub/Sub had all alerts: then none is recorded."""
        # `record` recognises repeats, but alerts are published before it, and must not be published twice.
        urgent = [one for one in evaluated if any(map(deserves_alert, one.violations))]
        unannounced = self._new(urgent, outcomes)
        if not self._alerts.publish([violation for one in unannounced for violation in one.violations]):
            return False
        new = [one for one in evaluated if outcomes[one.position] is not Verdict.DUPLICATE]
        # In the order of the ids: two workers that hold the same events then cannot deadlock.
        self._record(sorted(new, key=lambda one: one.event_id.int), outcomes)
        return True

    def _new(self, several: Sequence[InBatch], outcomes: list[Outcome]) -> list[InBatch]:
        """Those that are not recorded; the others are duplicates."""
        if not several:
            return []
        ids = [one.event_id for one in several]
        known = self._transactions.run(lambda cursor: find_evaluated(ids, cursor))
        self._mark_repeats([one for one in several if one.event_id in known], outcomes)
        return [one for one in several if one.event_id not in known]

    def _mark_repeats(self, repeats: Sequence[InBatch], outcomes: list[Outcome]) -> None:
        for one in repeats:
            outcomes[one.position] = Verdict.DUPLICATE
        # Where one is, more are: a seek, or a worker that was killed.
        if repeats:
            self._wary_until = time.monotonic() + WARY

    def _record(self, evaluated: Sequence[EvaluatedEvent], outcomes: list[Outcome]) -> None:
        def write(events: Sequence[EvaluatedEvent]) -> None:
            before = self._transactions.retrying(
                record, events, self._transactions, self._recorded, self._leaves
            )
            self._mark_repeats([one for one in events if one.event_id in before], outcomes)
            written = [one for one in events if one.event_id not in before]
            for one in written:
                outcomes[one.position] = Verdict.WRITTEN
            count_recorded(written)

        def refuse(event: EvaluatedEvent, error: psycopg2.Error) -> None:
            outcomes[event.position] = Rejected(error_class(error), describe(error))

        self._leaves.refresh()
        for month in self._leaves.split(evaluated, lambda one: one.event_id.int):
            self._halving(month, write, refuse)
