"""The handler of the feedback worker: messages → rows of `prompt_feedback`, each event once.

All events are kept. Which one of a source counts is decided where they are read, so the order in which they come does
not matter, nor how often.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.consuming.reading import new_events, read_event
from prompt_worker.consuming.settling import Repeats, settle
from prompt_worker.event.feedback import EVENT_TYPE, parse
from prompt_worker.event.moment import now
from prompt_worker.feedback.rows import encode_row
from prompt_worker.platform.postgres.copy_body import PIECE, CopyBody
from prompt_worker.platform.postgres.errors import describe, error_class
from prompt_worker.platform.postgres.halving import Halving
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions
from prompt_worker.platform.postgres.written_once import Row, WrittenOnce

_WRITE = statement(__name__, "write_feedback")
_STORED = statement(__name__, "stored_feedback")


class FeedbackWriter:
    """Writes batches; safe to call from several threads. Setting `stop` ends all retrying."""

    def __init__(
        self,
        engine: Engine,
        stop: threading.Event,
        transactions: Callable[[Engine, threading.Event], Transactions] = Transactions,
    ) -> None:
        self._transactions = transactions(engine, stop)
        self._write = WrittenOnce(self._transactions, "prompt_feedback", _STORED, _copy)
        self._halving: Halving[Row] = Halving(stop, attrgetter("event_id"))

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message. Raises `DeploymentError`."""
        read = partial(read_event, event_type=EVENT_TYPE, parse=parse, received_at=now())

        def handle(positions: Sequence[int], outcomes: list[Outcome], repeats: Repeats) -> None:
            rows = [
                Row(event.event_id.int, encode_row(event), position)
                for position, event in new_events(messages, positions, outcomes, repeats, read)
            ]
            self._store(rows, outcomes)

        return settle(messages, handle)

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread; their messages are handed back."""
        self._transactions.cancel()

    def _store(self, rows: Sequence[Row], outcomes: list[Outcome]) -> None:
        def write(rows: Sequence[Row]) -> None:
            stored = self._transactions.retrying(self._write, rows)
            for row in rows:
                outcomes[row.position] = Verdict.DUPLICATE if row.event_id in stored else Verdict.WRITTEN

        def refuse(row: Row, error: psycopg2.Error) -> None:
            outcomes[row.position] = Rejected(error_class(error), describe(error))

        # In the order of the ids: two workers that hold the same events then cannot deadlock.
        self._halving(sorted(rows, key=attrgetter("event_id")), write, refuse)


def _copy(rows: Sequence[Row], cursor: cursor) -> None:
    if rows:
        cursor.copy_expert(_WRITE, CopyBody([row.encoded for row in rows]), size=PIECE)
