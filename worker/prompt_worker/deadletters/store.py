"""The handler of `run dead-letters`: messages of the dead-letter topic → rows of `dead_letter_events`.

An event is one dead letter, however often it fails; a message that comes again changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.consuming.outcome import Outcome, Verdict
from prompt_worker.consuming.settling import settling
from prompt_worker.consuming.subscription import Message
from prompt_worker.deadletters.filters import Consumer
from prompt_worker.deadletters.reading import (
    attributes_json,
    cause,
    event_id,
    event_key,
    read_origin,
    read_payload,
)
from prompt_worker.deadletters.sweep import sweeping
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions, halving

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Parts

log = logging.getLogger(__name__)

_STORE = statement(__name__, "store_dead_letters")

Key = tuple[UUID, str]


def open_store(parts: Parts) -> DeadLetterStore:
    """As the worker runs it: with a sweep at intervals."""
    store = DeadLetterStore(parts.engine, parts.stop, guardrails=parts.topology.names.guardrails)
    sweeping(store.transactions, parts.stop)
    return store


class Row(msgspec.Struct, gc=False):
    """A dead letter, named as its columns are, and the place of its message in the batch."""

    consumer: Consumer
    event_key: UUID
    event_id: UUID | None
    source: str
    subscription: str | None
    error_class: str
    reason: str
    cause: int
    template_name: str | None
    template_version: int | None
    environment: str | None
    payload: bytes
    attributes: str
    delivery_attempts: int | None
    occurrence: str
    first_seen: datetime
    last_seen: datetime
    position: int

    @property
    def key(self) -> Key:
        return self.event_key, self.consumer


_COLUMNS = [field.name for field in msgspec.structs.fields(Row) if field.name != "position"]
_ADAPTED = {"payload": psycopg2.Binary, "event_key": str, "event_id": str}


class DeadLetterStore:
    """Stores batches; safe to call from several threads. `guardrails` is the name of that worker's subscription."""

    def __init__(self, engine: Engine, stop: threading.Event, *, guardrails: str) -> None:
        self.transactions = Transactions(engine, stop)
        self._guardrails = guardrails

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """Written, or a duplicate where it is known; retry while the database is away. Raises `DeploymentError`."""
        rows = [self._read(message, position) for position, message in enumerate(messages)]

        def write(rows: Sequence[Row]) -> None:
            changed = self.transactions.run(lambda cursor: _store(rows, cursor))
            for row in rows:
                outcomes[row.position] = Verdict.WRITTEN if row.position in changed else Verdict.DUPLICATE

        with settling(len(messages)) as (outcomes, _):
            # In the order of the keys: two workers that hold the same events then cannot deadlock.
            halving(sorted(rows, key=attrgetter("key")), write, _refuse)
        return outcomes

    def cancel(self) -> None:
        """Ends the statements under way, from another thread; their messages are handed back."""
        self.transactions.cancel()

    def _read(self, message: Message, position: int) -> Row:
        payload = read_payload(message.data)
        origin = read_origin(message)
        consumer: Consumer = "guardrails" if origin.subscription == self._guardrails else "executions"
        return Row(
            consumer,
            event_key(payload, message.data),
            event_id(payload, message.attributes),
            origin.source,
            origin.subscription,
            origin.error_class,
            origin.reason,
            cause(consumer, origin),
            payload.template_name,
            payload.template_version,
            payload.environment,
            message.data,
            attributes_json(message.attributes),
            origin.delivery_attempts,
            origin.occurrence,
            origin.first_seen,
            origin.last_seen,
            position,
        )


def _store(rows: Sequence[Row], cursor: cursor) -> set[int]:
    """One transaction; the positions of those that were new."""
    changed: set[int] = set()
    for alone in _rounds(rows):
        cursor.execute(_STORE, {name: _column(alone.values(), name) for name in _COLUMNS})
        changed.update(alone[key, consumer].position for key, consumer in cursor)
    return changed


def _rounds(rows: Iterable[Row]) -> list[dict[Key, Row]]:
    """Rows of one event in rounds of their own: a statement can change a row once."""
    rounds: list[dict[Key, Row]] = []
    times: dict[Key, int] = {}
    for row in rows:
        turn = times[row.key] = times.get(row.key, -1) + 1
        if turn == len(rounds):
            rounds.append({})
        rounds[turn][row.key] = row
    return rounds


def _column(rows: Iterable[Row], name: str) -> list[Any]:
    adapt = _ADAPTED.get(name)
    values = [getattr(row, name) for row in rows]
    return [None if value is None else adapt(value) for value in values] if adapt else values


def _refuse(row: Row, error: psycopg2.Error) -> None:
    """Handed back: there is no dead-letter topic behind this one, and nothing is lost."""
    log.error(
        "the dead letter with key %s cannot be stored: %s. It stays in its subscription; run 'prompt-worker verify'",
        row.event_key,
        describe(error),
    )
