"""`prompt-worker guardrails list | false-positive`: what an owner of guardrails asks of the database, and tells it."""

from __future__ import annotations

from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.recording.active import read
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_MARK = statement(__name__, "mark_false_positive")


class NoSuchViolationError(Failure):
    """Says where ids are found."""

    exit_code = 66


def list_guardrails(session: Session) -> list[Guardrail]:
    """The active ones. Raises `DeploymentError`."""
    return session.run(read)


def mark_false_positive(session: Session, violation_id: str, *, by: str, undo: bool) -> str:
    """Marks a violation as false, or takes that back; says what was done. Counted once, however often it is marked.

    Raises `NoSuchViolationError`, `DeploymentError`.
    """
    try:
        wanted = UUID(violation_id)
    except ValueError:
        raise NoSuchViolationError("not a UUID: give the id of a row of guardrail_violations") from None
    changed, marked_by = session.run(lambda cursor: _mark(cursor, wanted, None if undo else by))
    if marked_by is None:
        return f"{wanted} is no longer marked as false" if changed else f"{wanted} was not marked as false"
    return (
        f"{wanted} is marked as false" if changed else f"{wanted} was marked as false by {marked_by} already"
    )


def _mark(cursor: cursor, violation_id: UUID, by: str | None) -> tuple[bool, str | None]:
    """Whether that changed anything, and who has marked it now."""
    cursor.execute(_MARK, {"id": str(violation_id), "by": by})
    changed = cursor.rowcount == 1
    cursor.execute(
        "SELECT false_positive_by FROM guardrail_violations WHERE id = %(id)s", {"id": str(violation_id)}
    )
    row = cursor.fetchone()
    if row is None:
        raise NoSuchViolationError(
            f"no violation has the id {violation_id}: look for it in guardrail_violations"
        )
    return changed, row[0]
