"""The audit: every replay, edit, discard, purge, seek and snapshot is a row, and what became of each event another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

from psycopg2.extensions import cursor
from psycopg2.extras import Json

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

Kind = Literal["replay", "edit", "discard", "purge", "seek", "snapshot"]
Result = TypeVar("Result")
Outcome = tuple[UUID, UUID | None, str, str | None]  # dead letter, event, outcome, reason

ATTEMPTS = 5  # at a transaction that met a lock or a deadlock; a person waits

_BEGIN = "INSERT INTO dead_letter_actions (action, by, filter, details) VALUES (%s, %s, %s, %s) RETURNING id"
_END = "UPDATE dead_letter_actions SET ended_at = now() WHERE id = %s"
_RECORD = statement(__name__, "record_outcomes")


@dataclass(frozen=True)
class Action:
    """One row of the audit."""

    id: UUID
    by: str

    def record(self, cursor: cursor, outcomes: Sequence[Outcome]) -> None:
        """What became of events, in the transaction that did it: a killed action has told all that it did."""
        ids, events, names, reasons = zip(*outcomes, strict=True) if outcomes else ((), (), (), ())
        cursor.execute(
            _RECORD,
            {
                "action": self.id,
                "ids": list(ids),
                "events": list(events),
                "outcomes": list(names),
                "reasons": list(reasons),
            },
        )


@contextmanager
def audited(
    session: Session, kind: Kind, by: str, filter_: Mapping[str, Any], details: Mapping[str, Any]
) -> Iterator[Action]:
    """An action from its beginning to its end, however it ends."""

    def begin(cursor: cursor) -> UUID:
        cursor.execute(_BEGIN, (kind, by, Json(filter_), Json(details)))
        ((action_id,),) = cursor.fetchall()
        return cast(UUID, action_id)

    def end(cursor: cursor) -> None:
        cursor.execute(_END, (action.id,))

    action = Action(session.run(begin), by)
    try:
        yield action
    finally:
        # While the database is down it stays unfinished, which it is.
        with suppress(DeploymentError):
            session.run(end)
