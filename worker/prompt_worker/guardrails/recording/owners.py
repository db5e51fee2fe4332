"""What an owner of guardrails does in the database: lists the active ones, and marks violations as false positives."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.recording.active import compile_or_explain, find_active
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_MARK = statement(__name__, "mark_false_positive")


class NoSuchViolationError(Failure):
    """No violation has the given id."""

    exit_code = 66


@dataclass(frozen=True)
class Mark:
    """Who has marked a violation as false now, None for nobody, and whether the call changed that."""

    violation_id: UUID
    marked_by: str | None
    changed: bool


def list_guardrails(session: Session) -> list[Guardrail]:
    """The active ones, in the order of their ids. Raises `DeploymentError`."""
    return session.run(find_active)


def why_unusable(guardrail: Guardrail) -> str | None:
    """Why the guardrail worker does not apply it; None where it does."""
    usable = compile_or_explain(guardrail)
    return usable if isinstance(usable, str) else None


def mark_false_positive(session: Session, violation_id: str, *, by: str, undo: bool) -> Mark:
    """Marks a violation as false, or removes the mark. It counts once, however often it is marked.

    Raises `NoSuchViolationError`, `DeploymentError`.
    """
    try:
        wanted = UUID(violation_id)
    except ValueError:
        raise NoSuchViolationError("not a UUID: give the id of a row of guardrail_violations") from None
    return session.run(lambda cursor: _mark(cursor, wanted, None if undo else by))


def _mark(cursor: cursor, violation_id: UUID, by: str | None) -> Mark:
    cursor.execute(_MARK, {"id": str(violation_id), "by": by})
    changed = cursor.rowcount == 1
    cursor.execute(
        "SELECT false_positive_by FROM guardrail_violations WHERE id = %(id)s", {"id": str(violation_id)}
    )
    row = cursor.fetchone()
    if row is None:
        raise NoSuchViolationError(f"no violation has the id {violation_id}: find it in guardrail_violations")
    return Mark(violation_id, row[0], changed)
