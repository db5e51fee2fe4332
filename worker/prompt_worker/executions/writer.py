"""The handler of the execution worker: messages → rows of `prompt_executions`, exactly once.

A batch is one COPY straight into its month of the table; the primary key is the idempotency key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from operator import attrgetter

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.reading import new_events, read_event
from prompt_worker.consuming.settling import Repeats, settle
from prompt_worker.event.execution import EVENT_TYPE, parse
from prompt_worker.event.moment import now
from prompt_worker.executions.rows import encode_row
from prompt_worker.executions.templates import Key, Templates, key_of
from prompt_worker.platform.postgres.copy_body import PIECE, CopyBody
from prompt_worker.platform.postgres.errors import describe, error_class
from prompt_worker.platform.postgres.halving import Halving
from prompt_worker.platform.postgres.leaves import Leaves
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.postgres.written_once import Row, WrittenOnce
from prompt_worker.platform.process import health

_WRITE = statement(__name__, "write_executions")
_STORED = statement(__name__, "stored_executions")


class ExecutionWriter:
    """Writes batches; safe to call from several threads. Setting `stop` ends all retrying."""

    def __init__(
        self,
        engine: Engine,
        stop: threading.Event,
        transactions: Callable[[Engine, threading.Event], Transactions] = Transactions,
    ) -> None:
        self._transactions = transactions(engine, stop)
        self._templates = Templates()
        self._leaves = Leaves(self._transactions, "prompt_executions")
        self._write = WrittenOnce(self._transactions, "prompt_executions", _STORED, self._copy)
        # One batch at a time: two would be no faster, and events that are not encoded yet are several times as large.
        self._encoding = threading.Lock()
        self._halving: Halving[Row] = Halving(stop, attrgetter("event_id"))

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message. Raises `DeploymentError`."""
        self._templates.expire()
        return settle(messages, partial(self._handle, messages, now()))

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread; their messages are handed back."""
        self._transactions.cancel()

    def _handle(
        self,
        messages: Sequence[Message],
        received_at: datetime,
        positions: Sequence[int],
        outcomes: list[Outcome],
        repeats: Repeats,
    ) -> None:
        rows, unresolved = self._read(messages, received_at, positions, outcomes, repeats)
        rows += self._resolve(messages, received_at, unresolved, outcomes)
        gone = self._store(rows, outcomes)
        if gone:
            # Of templates that were deleted, and perhaps made again with another id, since they were looked up.
            self._templates.forget()
            for position in gone:
                outcomes[position] = Verdict.RETRY
            unresolved = [
                (position, key_of(parse(messages[position].data, received_at)[0])) for position in gone
            ]
            self._store(self._resolve(messages, received_at, unresolved, outcomes), outcomes)

    def _read(
        self,
        messages: Sequence[Message],
        received_at: datetime,
        positions: Sequence[int],
        outcomes: list[Outcome],
        repeats: Repeats,
    ) -> tuple[list[Row], list[tuple[int, Key]]]:
        """The rows of the events at these positions, and the templates that are not known, with their positions."""
        rows: list[Row] = []
        unresolved: list[tuple[int, Key]] = []
        read = partial(read_event, event_type=EVENT_TYPE, parse=parse, received_at=received_at)
        with health.taking_turns(self._encoding):
            # An event becomes its row at once, while it is in the processor's cache, and is let go.
            for position, event in new_events(messages, positions, outcomes, repeats, read):
                if template_id := self._templates.get(event):
                    rows.append(Row(event.event_id.int, encode_row(event, template_id), position))
                else:
                    unresolved.append((position, key_of(event)))
        return rows, unresolved

    def _resolve(
        self,
        messages: Sequence[Message],
        received_at: datetime,
        unresolved: Sequence[tuple[int, Key]],
        outcomes: list[Outcome],
    ) -> list[Row]:
        """The rows of events whose templates were not known. They are read again: a lookup may take long."""
        templates = self._templates.find({key for _, key in unresolved}, self._transactions.run)
        rows: list[Row] = []
        with health.taking_turns(self._encoding):
            for position, key in unresolved:
                template_id = templates[key]
                if isinstance(template_id, Rejected):
                    outcomes[position] = template_id
                else:
                    event, _ = parse(messages[position].data, received_at)
                    rows.append(Row(event.event_id.int, encode_row(event, template_id), position))
        return rows

    def _store(self, rows: Sequence[Row], outcomes: list[Outcome]) -> list[int]:
        """Writes the rows; the positions of those that were refused because their template is gone."""
        gone: list[int] = []

        def write(rows: Sequence[Row]) -> None:
            stored = self._transactions.retrying(self._write, rows)
            for row in rows:
                outcomes[row.position] = Verdict.DUPLICATE if row.event_id in stored else Verdict.WRITTEN

        def refuse(row: Row, error: psycopg2.Error) -> None:
            if error.pgcode == errorcodes.FOREIGN_KEY_VIOLATION:
                gone.append(row.position)
            outcomes[row.position] = Rejected(error_class(error), describe(error))

        # In the order of the ids: two workers that hold the same events then cannot deadlock.
        rows = sorted(rows, key=attrgetter("event_id"))
        self._leaves.refresh()
        for month in self._leaves.split(rows, attrgetter("event_id")):
            self._halving(month, write, refuse)
        return gone

    def _copy(self, rows: Sequence[Row], cursor: cursor) -> None:
        if rows:
            table = self._leaves.table_for(rows[0].event_id, rows[-1].event_id)
            body = CopyBody([row.encoded for row in rows])
            with self._leaves.writing_to(table):
                cursor.copy_expert(_write_into(table), body, size=PIECE)


@cache
def _write_into(table: str) -> str:
    return _WRITE.replace("COPY prompt_executions (", f"COPY {table} (")
