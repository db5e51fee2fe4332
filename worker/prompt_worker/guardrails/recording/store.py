"""Evaluated events and their violations in the database: a batch is one transaction, an event is recorded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from uuid import UUID

import msgspec
import psycopg2.errors
from psycopg2.extensions import cursor

from prompt_worker.guardrails.evaluation import Decision
from prompt_worker.guardrails.recording.violation import Violation, to_json
from prompt_worker.platform.postgres.primary_key import PrimaryKey
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions

_EVALUATED = statement(__name__, "evaluated_events")
_WRITE_EVALUATIONS = statement(__name__, "write_evaluations")
_WRITE_VIOLATIONS = statement(__name__, "write_violations")


class EvaluatedEvent(msgspec.Struct, gc=False):
    """A row of `guardrail_evaluations`, its violations, and the index of its message in the batch."""

    event_id: UUID
    guardrail_ids: str  # as an array literal, the same for most events
    outcome: Decision
    detector_version: str
    milliseconds: float
    violations: Sequence[Violation]
    position: int


def find_evaluated(event_ids: Iterable[UUID], cursor: cursor) -> set[UUID]:
    """Those that are recorded already."""
    cursor.execute(_EVALUATED, {"ids": [str(event_id) for event_id in event_ids]})
    return {UUID(event_id) for (event_id,) in cursor}


def record(events: Sequence[EvaluatedEvent], transactions: Transactions, recorded: PrimaryKey) -> set[UUID]:
    """Records all of them in one transaction; returns the ids of those that were recorded before.

    `recorded` is the primary key of `guardrail_evaluations`. Raises `DeploymentError`, or the `psycopg2.Error` of the
    only attempt: then none is recorded.
    """
    try:
        transactions.once(lambda cursor: _write(events, cursor))
    except psycopg2.errors.UniqueViolation as error:
        if not recorded.refused(error):
            raise
        return recorded.write_missing(events, _write_missing)
    return set()


def _write_missing(events: Sequence[EvaluatedEvent], cursor: cursor) -> set[UUID]:
    before = find_evaluated([event.event_id for event in events], cursor)
    _write([event for event in events if event.event_id not in before], cursor)
    return before


def _write(events: Sequence[EvaluatedEvent], cursor: cursor) -> None:
    if not events:
        return
    lines = [
        f"{one.event_id}\t{one.guardrail_ids}\t{one.outcome}\t{one.detector_version}\t{one.milliseconds:.4g}\n"
        for one in events
    ]
    cursor.copy_expert(_WRITE_EVALUATIONS, StringIO("".join(lines)), size=1 << 20)
    violations = [violation for event in events for violation in event.violations]
    if violations:
        cursor.execute(_WRITE_VIOLATIONS, {"violations": to_json(violations)})
