"""Evaluated events and their violations in the database: a batch is one transaction, an event is recorded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from io import StringIO
from uuid import UUID

import msgspec
import psycopg2.errors
from psycopg2.extensions import cursor

from prompt_worker.guardrails.evaluation import Decision
from prompt_worker.guardrails.recording.violation import Violation, to_json
from prompt_worker.platform.postgres.leaves import Leaves
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


def record(
    events: Sequence[EvaluatedEvent], transactions: Transactions, recorded: PrimaryKey, leaves: Leaves
) -> set[UUID]:
    """Records all of them in one transaction; returns the ids of those that were recorded before.

    `recorded` is the primary key of `guardrail_evaluations`, `leaves` are its months. Raises `DeploymentError`, or the
    `psycopg2.Error` of the only attempt: then none is recorded.
    """
    try:
        transactions.once(lambda cursor: _write(events, leaves, cursor))
    except psycopg2.errors.UniqueViolation as error:
        if not recorded.refused(error):
            raise
        return recorded.write_missing(events, lambda events, cursor: _write_missing(events, leaves, cursor))
    return set()


def _write_missing(events: Sequence[EvaluatedEvent], leaves: Leaves, cursor: cursor) -> set[UUID]:
    before = find_evaluated([event.event_id for event in events], cursor)
    _write([event for event in events if event.event_id not in before], leaves, cursor)
    return before


def _write(events: Sequence[EvaluatedEvent], leaves: Leaves, cursor: cursor) -> None:
    if not events:
        return
    lines = [
        f"{one.event_id}\t{one.guardrail_ids}\t{one.outcome}\t{one.detector_version}\t{one.milliseconds:.4g}\n"
        for one in events
    ]
    table = leaves.table_for(events[0].event_id.int, events[-1].event_id.int)
    with leaves.writing_to(table):
        cursor.copy_expert(_write_into(table), StringIO("".join(lines)), size=1 << 20)
    violations = [violation for event in events for violation in event.violations]
    if violations:
        cursor.execute(_WRITE_VIOLATIONS, {"violations": to_json(violations)})


@cache
def _write_into(table: str) -> str:
    return _WRITE_EVALUATIONS.replace("COPY guardrail_evaluations (", f"COPY {table} (")
