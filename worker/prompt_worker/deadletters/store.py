"""Stores messages of the dead-letter topic as rows of `dead_letter_events`.

An event is one dead letter, however often it fails; a redelivered message changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Verdict
from prompt_worker.consuming.settling import Repeats, settle
from prompt_worker.deadletters.filters import WorkerName
from prompt_worker.deadletters.reading import (
    attributes_json,
    cause,
    event_id,
    event_key,
    read_origin,
    read_payload,
)
from prompt_worker.deadletters.sweep import start_sweeping
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.halving import Halving
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.process import health

if TYPE_CHECKING:
    from prompt_worker.consuming.work import Parts

log = logging.getLogger(__name__)

_STORE = statement(__name__, "store_dead_letters")

# Bytes of payloads in a statement, unless one has more: the driver and its library make four copies of each, twice as
# large. More than this are written by one lane at a time.
BYTES_AT_ONCE = 2_000_000

Key = tuple[UUID, str]


def open_store(parts: Parts) -> DeadLetterStore:
    """The handler as the worker runs it, with a sweep at intervals."""
    names = parts.topology.names
    store = DeadLetterStore(parts.engine, parts.stop, guardrails=names.guardrails, feedback=names.feedback)
    start_sweeping(store.transactions, parts.stop)
    return store


class NewDeadLetter(msgspec.Struct, gc=False):
    """A dead letter, named as its columns are, and the position of its message in the batch."""

    consumer: WorkerName
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


_COLUMNS = [field.name for field in msgspec.structs.fields(NewDeadLetter) if field.name != "position"]
_ADAPTED = {"payload": psycopg2.Binary, "event_key": str, "event_id": str}


class DeadLetterStore:
    """Stores batches; safe to call from several threads.

    `guardrails` and `feedback` are the names of those workers' subscriptions; all others are of executions.
    """

    def __init__(self, engine: Engine, stop: threading.Event, *, guardrails: str, feedback: str) -> None:
        self.transactions = Transactions(engine, stop)
        self._halving: Halving[NewDeadLetter] = Halving(stop, attrgetter("key"))
        self._workers: dict[str | None, WorkerName] = {guardrails: "guardrails", feedback: "feedback"}
        self._writing_many_bytes = threading.Lock()

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """`WRITTEN`, `DUPLICATE` where it is known, or `RETRY` while the database is down. Raises `DeploymentError`."""

        def handle(positions: Sequence[int], outcomes: list[Outcome], _: Repeats) -> None:
            def write(rows: Sequence[NewDeadLetter]) -> None:
                with self._turn(rows):
                    changed = self.transactions.retrying(self.transactions.once, partial(_store, rows))
                for row in rows:
                    outcomes[row.position] = Verdict.WRITTEN if row.position in changed else Verdict.DUPLICATE

            rows = [self._read(messages[position], position) for position in positions]
            # In the order of the keys, so that two workers that hold the same events cannot deadlock.
            self._halving(sorted(rows, key=attrgetter("key")), write, _refuse)

        return settle(messages, handle)

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread; their messages are handed back."""
        self.transactions.cancel()

    def _turn(self, rows: Sequence[NewDeadLetter]) -> AbstractContextManager[None]:
        many = sum([len(row.payload) for row in rows]) > BYTES_AT_ONCE
        return health.taking_turns(self._writing_many_bytes) if many else nullcontext()

    def _read(self, message: Message, position: int) -> NewDeadLetter:
        payload = read_payload(message.data)
        origin = read_origin(message)
        consumer = self._workers.get(origin.subscription, "executions")
        return NewDeadLetter(
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


def _store(rows: Sequence[NewDeadLetter], cursor: cursor) -> set[int]:
    """Stores them in this transaction and returns the positions of those that changed anything."""
    changed: set[int] = set()
    for alone in _rounds(rows):
        for together in _parts(alone.values()):
            cursor.execute(_STORE, {name: _column(together, name) for name in _COLUMNS})
            changed.update(alone[key, consumer].position for key, consumer in cursor)
    return changed


def _parts(rows: Iterable[NewDeadLetter]) -> Iterator[Sequence[NewDeadLetter]]:
    """In their order, each part of at most `BYTES_AT_ONCE` bytes or one row."""
    part: list[NewDeadLetter] = []
    size = 0
    for row in rows:
        if part and size + len(row.payload) > BYTES_AT_ONCE:
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row.payload)
    if part:
        yield part


def _rounds(rows: Iterable[NewDeadLetter]) -> list[dict[Key, NewDeadLetter]]:
    """Splits rows so that each event is once in a round: a statement can change a row only once."""
    rounds: list[dict[Key, NewDeadLetter]] = []
    times: dict[Key, int] = {}
    for row in rows:
        turn = times[row.key] = times.get(row.key, -1) + 1
        if turn == len(rounds):
            rounds.append({})
        rounds[turn][row.key] = row
    return rounds


def _column(rows: Iterable[NewDeadLetter], name: str) -> list[Any]:
    adapt = _ADAPTED.get(name)
    values = [getattr(row, name) for row in rows]
    return [None if value is None else adapt(value) for value in values] if adapt else values


def _refuse(row: NewDeadLetter, error: psycopg2.Error) -> None:
    """Logs it; its message is handed back, since there is no dead-letter topic behind this one."""
    log.error(
        "the dead letter with key %s cannot be stored: %s. It stays in its subscription; run 'prompt-worker verify'",
        row.event_key,
        describe(error),
    )
