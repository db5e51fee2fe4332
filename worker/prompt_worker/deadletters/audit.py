"""The audit: each replay, edit, discard, purge, seek and snapshot is a row, and each dead letter it changed another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from psycopg2.extensions import cursor
from psycopg2.extras import Json

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

Operation = Literal["replay", "edit", "discard", "purge", "seek", "snapshot"]

_BEGIN = "INSERT INTO dead_letter_actions (action, by, filter, details) VALUES (%s, %s, %s, %s) RETURNING id"
_END = "UPDATE dead_letter_actions SET ended_at = now() WHERE id = %s"
_DONE = """UPDATE dead_letter_actions SET counts = '{"done": 1}' WHERE id = %s"""
_RECORD = statement(__name__, "record_effects")


class Effect(NamedTuple):
    """What an operation did to one dead letter: `name` is `sent`, `edited`, `discarded` or `purged`."""

    dead_letter: UUID
    event: UUID | None
    name: str
    reason: str | None = None


@dataclass(frozen=True)
class AuditEntry:
    """The row of one operation, and who runs it."""

    id: UUID
    by: str

    def record(self, cursor: cursor, effects: Sequence[Effect]) -> None:
        """Records effects in the transaction that makes them, so that a killed operation has recorded all of them."""
        letters, events, names, reasons = zip(*effects, strict=True) if effects else ((), (), (), ())
        cursor.execute(
            _RECORD,
            {
                "action": self.id,
                "ids": list(letters),
                "events": list(events),
                "names": list(names),
                "reasons": list(reasons),
            },
        )

    def done(self, cursor: cursor) -> None:
        """Records that it was done, of an operation that is done or not."""
        cursor.execute(_DONE, (self.id,))


@contextmanager
def audited(
    session: Session, operation: Operation, by: str, filter_: Mapping[str, Any], details: Mapping[str, Any]
) -> Iterator[AuditEntry]:
    """Records an operation from its beginning to its end, however it ends. Raises `DeploymentError`."""

    def begin(cursor: cursor) -> UUID:
        cursor.execute(_BEGIN, (operation, by, Json(filter_), Json(details)))
        ((entry_id,),) = cursor.fetchall()
        return cast(UUID, entry_id)

    def end(cursor: cursor) -> None:
        cursor.execute(_END, (entry.id,))

    entry = AuditEntry(session.run(begin), by)
    try:
        yield entry
    finally:
        # While the database is down the entry stays without an end, which is the truth.
        with suppress(DeploymentError):
            session.run(end)
