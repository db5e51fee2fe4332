"""Events evaluated: under the guardrails that are active now, each with the template that it was rendered from."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from uuid import UUID

import msgspec

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected
from prompt_worker.guardrails.evaluation import Evaluation, evaluate
from prompt_worker.guardrails.finding import HashKey
from prompt_worker.guardrails.recording.active import ActiveGuardrails
from prompt_worker.guardrails.recording.counting import count_checks
from prompt_worker.guardrails.recording.received import Received, receive_again
from prompt_worker.guardrails.recording.store import EvaluatedEvent
from prompt_worker.guardrails.recording.templates import ServedTemplates
from prompt_worker.guardrails.recording.violation import violations
from prompt_worker.guardrails.registry import Evaluator
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.process import health

# Events, and bytes of their messages, that are evaluated together: more are no faster and use more memory.
AT_ONCE = 500
BYTES_AT_ONCE = 2_000_000
# Violations that are announced and recorded together: an event may have a thousand, each as large as a small event.
VIOLATIONS_AT_ONCE = 5_000


class PendingEvent(msgspec.Struct, gc=False):
    """An event that is not evaluated yet, its message, and the index of that in the batch."""

    event_id: UUID
    message: Message
    position: int
    # None where the batch has many bytes, which are several times as many once they are read: then it is read again.
    received: Received | None


class EventEvaluator:
    """Safe to call from several threads. `key` None: violations are recorded without a keyed hash."""

    def __init__(self, transactions: Transactions, *, refresh_seconds: float, key: HashKey | None) -> None:
        self._key = key
        self._templates = ServedTemplates(transactions)
        self._guardrails = ActiveGuardrails(
            transactions, refresh_seconds=refresh_seconds, changed=self._templates.forget
        )
        # One batch at a time: two would be no faster and use twice the memory.
        self.turn = threading.Lock()

    def evaluate(
        self, events: Sequence[PendingEvent], outcomes: list[Outcome]
    ) -> Iterator[list[EvaluatedEvent]]:
        """Those that can be evaluated, nearly always in one part; of every other one the outcome is its rejection.

        A part is made when it is asked for. Raises `DeploymentError`, or `psycopg2.Error` once retrying was stopped.
        """
        evaluators = self._guardrails.evaluators()
        for together in _together(events):
            with health.taking_turns(self.turn):
                evaluated = self._evaluate(together, evaluators, outcomes)
            yield from _parts(evaluated)

    def _evaluate(
        self, events: Sequence[PendingEvent], evaluators: Sequence[Evaluator], outcomes: list[Outcome]
    ) -> Iterator[EvaluatedEvent]:
        received = [event.received or receive_again(event.message) for event in events]
        keys = [one.template_key for one in received]
        templates = self._templates.find([key for key in keys if key is not None])
        started = time.perf_counter()
        try:
            executions = [
                one.execution(templates.get(key) if key is not None else None)
                for one, key in zip(received, keys, strict=True)
            ]
            evaluations = evaluate(evaluators, executions, self._key, health.moved)
        # An event that breaks an evaluator costs its neighbours nothing.
        except Exception as error:
            if len(events) == 1:
                outcomes[events[0].position] = Rejected("evaluation_failed", type(error).__name__)
                return iter(())
            singly = [self._evaluate([event], evaluators, outcomes) for event in events]
            return chain.from_iterable(singly)
        milliseconds = (time.perf_counter() - started) * 1000 / len(events)
        count_checks(evaluations)
        active = {evaluator.guardrail.name: evaluator for evaluator in evaluators}
        describe_checked = lru_cache(maxsize=None)(lambda names: _checked([active[name] for name in names]))
        return (
            _evaluated(event, one, evaluation, describe_checked(evaluation.checked), milliseconds)
            for event, one, evaluation in zip(events, received, evaluations, strict=True)
        )


def _together(events: Sequence[PendingEvent]) -> Iterator[Sequence[PendingEvent]]:
    start = size = 0
    for end, event in enumerate(events):
        size += len(event.message.data)
        if end > start and (end - start == AT_ONCE or size > BYTES_AT_ONCE):
            yield events[start:end]
            start, size = end, len(event.message.data)
    if events:
        yield events[start:]


def _parts(evaluated: Iterator[EvaluatedEvent]) -> Iterator[list[EvaluatedEvent]]:
    """At least one, which may be empty; each ends with the event with which it has many violations."""
    part: list[EvaluatedEvent] = []
    violations = 0
    for one in evaluated:
        part.append(one)
        violations += len(one.violations)
        if violations >= VIOLATIONS_AT_ONCE:
            yield part
            part, violations = [], 0
    yield part


def _checked(evaluators: Sequence[Evaluator]) -> tuple[str, str]:
    """The ids of the guardrails as an array literal, and the versions of their detectors."""
    ids = ",".join(str(evaluator.guardrail.id) for evaluator in evaluators)
    versions = sorted({evaluator.detector.version for evaluator in evaluators})
    return f"{{{ids}}}", " ".join(versions)[:255]


def _evaluated(
    event: PendingEvent,
    received: Received,
    evaluation: Evaluation,
    checked: tuple[str, str],
    milliseconds: float,
) -> EvaluatedEvent:
    guardrail_ids, detector_version = checked
    return EvaluatedEvent(
        event.event_id,
        guardrail_ids,
        evaluation.outcome,
        detector_version,
        milliseconds,
        violations(received, evaluation),
        event.position,
    )
