"""Evaluations and their violations into the database: a batch is a transaction, an event is recorded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO
from uuid import UUID

import msgspec
from psycopg2 import errors
from psycopg2.extensions import cursor

from prompt_worker.guardrails.evaluation import Outcome
from prompt_worker.guardrails.recording.violation import Violation, to_json
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions

_EVALUATED = statement(__name__, "evaluated_events")
_WRITE_EVALUATIONS = statement(__name__, "write_evaluations")
_WRITE_VIOLATIONS = statement(__name__, "write_violations")


class Evaluation(msgspec.Struct, gc=False):
    """A row of `guardrail_evaluations`, its violations, and the place of its message in the batch."""

    event_id: UUID
    guardrail_ids: str  # as an array literal, the same for most events
    outcome: Outcome
    detector_version: str
    milliseconds: float
    violations: Sequence[Violation]
    position: int


def evaluated(event_ids: Iterable[UUID], cursor: cursor) -> set[UUID]:
    """Those of them that are recorded already."""
    cursor.execute(_EVALUATED, {"ids": [str(event_id) for event_id in event_ids]})
    return {UUID(event_id) for (event_id,) in cursor}


def record(evaluations: Sequence[Evaluation], transactions: Transactions) -> set[UUID]:
    """All of them, or an error; the events that were recorded before."""
    try:
        transactions.once(lambda cursor: _write(evaluations, cursor))
    except errors.UniqueViolation:
        return transactions.once(lambda cursor: _write_missing(evaluations, cursor))
    return set()


def _write_missing(evaluations: Sequence[Evaluation], cursor: cursor) -> set[UUID]:
    there = evaluated([one.event_id for one in evaluations], cursor)
    _write([one for one in evaluations if one.event_id not in there], cursor)
    return there


def _write(evaluations: Sequence[Evaluation], cursor: cursor) -> None:
    if not evaluations:
        return
    lines = [
        f"{one.event_id}\t{one.guardrail_ids}\t{one.outcome}\t{one.detector_version}\t{one.milliseconds:.4g}\n"
        for one in evaluations
    ]
    cursor.copy_expert(_WRITE_EVALUATIONS, StringIO("".join(lines)), size=1 << 20)
    violations = [violation for one in evaluations for violation in one.violations]
    if violations:
        cursor.execute(_WRITE_VIOLATIONS, {"violations": to_json(violations)})
