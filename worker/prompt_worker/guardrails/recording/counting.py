"""What the guardrail worker counts, and the mark of each violation on the trace of its event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import get_args

from prompt_worker.consuming.traces import annotate
from prompt_worker.guardrails.evaluation import Evaluation
from prompt_worker.guardrails.guardrail import Severity
from prompt_worker.guardrails.recording.store import EvaluatedEvent
from prompt_worker.guardrails.registry import TYPES
from prompt_worker.platform import telemetry

SEVERITIES = get_args(Severity)


def count_checks(evaluations: Iterable[Evaluation]) -> None:
    """How many executions each guardrail checked."""
    for names, number in Counter(evaluation.checked for evaluation in evaluations).items():
        for name in names:
            telemetry.count("checks", number, guardrail=name)


def count_recorded(events: Sequence[EvaluatedEvent]) -> None:
    """Events by their outcome, and their violations."""
    for outcome, number in Counter(event.outcome for event in events).items():
        telemetry.count("evaluations", number, outcome=outcome)
    violations = [violation for event in events for violation in event.violations]
    # What a service reports may be of any type and severity: as labels only those that exist are used.
    by_labels = Counter(
        (_known(v.guardrail_type, TYPES), _known(v.severity, SEVERITIES), v.source) for v in violations
    )
    for (guardrail_type, severity, source), number in by_labels.items():
        telemetry.count("violations", number, guardrail_type=guardrail_type, severity=severity, source=source)
    for event in events:
        for violation in event.violations:
            annotate(event.position, "violation", {"prompt_worker.violation_id": str(violation.id)})


def _known(value: str | None, values: Container[str]) -> str:
    return value if value and value in values else "other"
