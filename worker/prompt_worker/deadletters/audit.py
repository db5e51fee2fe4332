"""The audit: every replay, edit, discard, purge, seek and snapshot is a row, and what became of each event another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

import psycopg2
from psycopg2.extensions import cursor
from psycopg2.extras import Json
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from prompt_worker.platform.postgres.errors import DeploymentError, describe
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions, is_transient

Kind = Literal["replay", "edit", "discard", "purge", "seek", "snapshot"]
Result = TypeVar("Result")
Outcome = tuple[UUID, UUID | None, str, str | None]  # dead letter, event, outcome, reason

ATTEMPTS = 5  # at a transaction that met a lock or a deadlock; a person waits

_BEGIN = "INSERT INTO dead_letter_actions (action, by, filter, details) VALUES (%s, %s, %s, %s) RETURNING id"
_END = "UPDATE dead_letter_actions SET ended_at = now() WHERE id = %s"
_RECORD = statement(__name__, "record_outcomes")


class Database:
    """The transactions of a command. Each raises `DeploymentError` when the database is out of reach."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, threading.Event())
        self._retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )

    def once(self, work: Callable[[cursor], Result]) -> Result:
        """Committed, or not done."""
        with _explained():
            return self._transactions.once(work)

    def run(self, work: Callable[[cursor], Result]) -> Result:
        """`once`, tried a few times against locks and deadlocks."""
        with _explained():
            return cast(Result, self._retrying(self._transactions.once, work))


@contextmanager
def _explained() -> Iterator[None]:
    """A failing database in words for the one who typed the command."""
    try:
        yield
    except psycopg2.Error as error:
        raise DeploymentError(
            f"The database fails: {describe(error)}. What was done until now stands; run the command again."
        ) from None


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
    database: Database, kind: Kind, by: str, filter_: Mapping[str, Any], details: Mapping[str, Any]
) -> Iterator[Action]:
    """An action from its beginning to its end, however it ends."""

    def begin(cursor: cursor) -> UUID:
        cursor.execute(_BEGIN, (kind, by, Json(filter_), Json(details)))
        ((action_id,),) = cursor.fetchall()
        return cast(UUID, action_id)

    def end(cursor: cursor) -> None:
        cursor.execute(_END, (action.id,))

    action = Action(database.run(begin), by)
    try:
        yield action
    finally:
        with suppress(
            DeploymentError
        ):  # the database is away: it stays as one that was broken off, which it was
            database.run(end)
