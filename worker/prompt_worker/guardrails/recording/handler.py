"""The handler of the guardrail worker: messages → evaluations and violations, each event once.

The execution's row may come later or never: nothing here asks for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar, get_args
from uuid import UUID

import msgspec
import psycopg2
from sqlalchemy import Engine

from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.settling import settling
from prompt_worker.consuming.subscription import Message
from prompt_worker.consuming.traces import annotate
from prompt_worker.guardrails.evaluation import Result, evaluate
from prompt_worker.guardrails.finding import HashKey
from prompt_worker.guardrails.guardrail import Severity
from prompt_worker.guardrails.recording.active import ActiveGuardrails
from prompt_worker.guardrails.recording.alerts import AlertTopic, deserves_alert
from prompt_worker.guardrails.recording.key import open_key
from prompt_worker.guardrails.recording.received import Received, read
from prompt_worker.guardrails.recording.store import Evaluation, evaluated, record
from prompt_worker.guardrails.recording.templates import ServedTemplates
from prompt_worker.guardrails.recording.violation import violations
from prompt_worker.guardrails.registry import TYPES, Evaluator
from prompt_worker.platform import telemetry
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.transactions import Transactions, halving
from prompt_worker.platform.pubsub.topic import Topic
from prompt_worker.platform.settings import GuardrailSettings

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Parts

SEVERITIES = get_args(Severity)
AT_ONCE = 500  # events that are evaluated together: more are no faster and take more memory
WARY = 60.0  # seconds after a redelivery in which events are looked up before they are evaluated


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


class Event(msgspec.Struct, gc=False):
    event_id: UUID
    received: Received
    position: int  # of its message in the batch


Placed = TypeVar("Placed", Event, Evaluation)


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
        transactions: type[Transactions] = Transactions,
    ) -> None:
        self._transactions = transactions(engine, stop)
        self._alerts = alerts
        self._key = key
        self._templates = ServedTemplates(self._transactions)
        self._guardrails = ActiveGuardrails(
            self._transactions, refresh_seconds=refresh_seconds, changed=self._templates.forget
        )
        self._evaluating = (
            threading.Lock()
        )  # one lane at a time: two would be no faster and take twice the memory
        self._wary_until = 0.0

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message. Raises `DeploymentError`."""
        events: dict[int, Event] = {}
        with settling(len(messages)) as (outcomes, repeats):
            for position, message in enumerate(messages):
                received = read(message)
                if received is None:
                    outcomes[position] = Verdict.SKIPPED  # the execution worker dead-letters it
                    continue
                event = Event(received.event_id, received, position)
                first = events.setdefault(received.event_id.int, event).position
                if first != position:
                    repeats.append((position, first))
            self._handle(list(events.values()), outcomes)
        return outcomes

    def cancel(self) -> None:
        """Ends the statements under way, from another thread; their messages are handed back."""
        self._transactions.cancel()

    def _handle(self, events: Sequence[Event], outcomes: list[Outcome]) -> None:
        if time.monotonic() < self._wary_until:
            events = self._new(events, outcomes)
        if not events:
            return
        evaluators = self._guardrails.evaluators()
        evaluations: list[Evaluation] = []
        with self._evaluating:
            for start in range(0, len(events), AT_ONCE):
                evaluations += self._evaluate(events[start : start + AT_ONCE], evaluators, outcomes)
        # Once recorded, an event that nothing survives any more is no dead letter.
        self._new([event for event in events if isinstance(outcomes[event.position], Rejected)], outcomes)
        # Recording tells repeats for itself; an alert goes out before, and is not to go out twice.
        urgent = [one for one in evaluations if any(map(deserves_alert, one.violations))]
        untold = self._new(urgent, outcomes)
        if not self._alerts.publish([violation for one in untold for violation in one.violations]):
            return
        new = [one for one in evaluations if outcomes[one.position] is not Verdict.DUPLICATE]
        # In the order of the ids: two workers that hold the same events then cannot deadlock.
        self._record(sorted(new, key=lambda one: one.event_id.int), outcomes)

    def _new(self, several: Sequence[Placed], outcomes: list[Outcome]) -> list[Placed]:
        """Those that are not recorded; the others are duplicates."""
        if not several:
            return []
        ids = [one.event_id for one in several]
        known = self._transactions.run(lambda cursor: evaluated(ids, cursor))
        self._tell_repeats([one for one in several if one.event_id in known], outcomes)
        return [one for one in several if one.event_id not in known]

    def _tell_repeats(self, repeats: Sequence[Placed], outcomes: list[Outcome]) -> None:
        for one in repeats:
            outcomes[one.position] = Verdict.DUPLICATE
        if repeats:  # where one is, more are: a seek, a worker that was killed
            self._wary_until = time.monotonic() + WARY

    def _evaluate(
        self, events: Sequence[Event], evaluators: Sequence[Evaluator], outcomes: list[Outcome]
    ) -> list[Evaluation]:
        """Their evaluations. An event that no evaluator survives costs its neighbours nothing."""
        keys = [event.received.template_key for event in events]
        templates = self._templates.find([key for key in keys if key is not None])
        started = time.perf_counter()
        try:
            executions = [
                event.received.execution(templates.get(key) if key is not None else None)
                for event, key in zip(events, keys, strict=True)
            ]
            results = evaluate(evaluators, executions, self._key)
        except Exception as error:
            if len(events) == 1:
                outcomes[events[0].position] = Rejected("evaluation_failed", type(error).__name__)
                return []
            return [one for event in events for one in self._evaluate([event], evaluators, outcomes)]
        milliseconds = (time.perf_counter() - started) * 1000 / len(events)
        _count_checks(results)
        in_force = {evaluator.guardrail.name: evaluator for evaluator in evaluators}
        describe_checked = lru_cache(maxsize=None)(lambda names: _checked([in_force[name] for name in names]))
        return [
            _evaluation(event, result, *describe_checked(result.checked), milliseconds)
            for event, result in zip(events, results, strict=True)
        ]

    def _record(self, evaluations: Sequence[Evaluation], outcomes: list[Outcome]) -> None:
        def write(evaluations: Sequence[Evaluation]) -> None:
            before = self._transactions.retrying(record, evaluations, self._transactions)
            self._tell_repeats([one for one in evaluations if one.event_id in before], outcomes)
            written = [one for one in evaluations if one.event_id not in before]
            for one in written:
                outcomes[one.position] = Verdict.WRITTEN
            _count(written)

        def refuse(evaluation: Evaluation, error: psycopg2.Error) -> None:
            outcomes[evaluation.position] = Rejected("refused_by_database", describe(error))

        halving(evaluations, write, refuse)


def _checked(evaluators: Sequence[Evaluator]) -> tuple[str, str]:
    """The ids of the guardrails as an array literal, and the versions of their detectors."""
    ids = ",".join(str(evaluator.guardrail.id) for evaluator in evaluators)
    versions = sorted({evaluator.detector.version for evaluator in evaluators})
    return f"{{{ids}}}", " ".join(versions)[:255]


def _evaluation(
    event: Event, result: Result, guardrail_ids: str, detector_version: str, milliseconds: float
) -> Evaluation:
    return Evaluation(
        event.event_id,
        guardrail_ids,
        result.outcome,
        detector_version,
        milliseconds,
        violations(event.received, result),
        event.position,
    )


def _count(evaluations: Sequence[Evaluation]) -> None:
    for outcome, number in Counter(one.outcome for one in evaluations).items():
        telemetry.count("evaluations", number, outcome=outcome)
    violations = [violation for one in evaluations for violation in one.violations]
    # What a service reports is of any kind and severity: a label takes only those that there are.
    kinds = Counter(
        (_known(v.guardrail_type, TYPES), _known(v.severity, SEVERITIES), v.source) for v in violations
    )
    for (guardrail_type, severity, source), number in kinds.items():
        telemetry.count("violations", number, guardrail_type=guardrail_type, severity=severity, source=source)
    for one in evaluations:
        for violation in one.violations:
            annotate(one.position, "violation", {"prompt_worker.violation_id": str(violation.id)})


def _count_checks(results: Iterable[Result]) -> None:
    for names, number in Counter(result.checked for result in results).items():
        for name in names:
            telemetry.count("checks", number, guardrail=name)


def _known(value: str | None, values: Container[str]) -> str:
    return value if value and value in values else "other"
