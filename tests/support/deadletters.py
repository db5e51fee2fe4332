"""Dead letters as they arrive, and as they are in the database."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome
from prompt_worker.deadletters.store import DeadLetterStore
from prompt_worker.platform.postgres.engine import connect

PUBLISHED = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
WRITER, GUARDRAILS = "prompt-executions-writer", "prompt-executions-guardrails"
FEEDBACK = "prompt-feedback-writer"

_ids = itertools.count(1)


def made(**given: str) -> dict[str, str]:
    """The attributes that a worker gives a dead letter; each call is another message that failed."""
    given = {
        "error_class": "unknown_template",
        "reason": "no template t version 3",
        "source": WRITER,
        "message_id": f"original-{next(_ids)}",
        "first_seen": "2026-05-06T07:00:00+00:00",
        "last_seen": "2026-05-06T07:08:00+00:00",
    } | given
    return {f"dead-letter-{name.replace('_', '-')}": value for name, value in given.items()}


def forwarded(subscription: str = WRITER, **given: str) -> dict[str, str]:
    """The attributes that Pub/Sub gives a message which it forwards."""
    given = {
        "Subscription": subscription,
        "DeliveryCount": "100",
        "TopicPublishTime": f"2026-05-06T07:00:00.{next(_ids):06}+00:00",
    } | given
    return {f"CloudPubSubDeadLetterSource{name}": value for name, value in given.items()}


def letter(
    body: bytes, attributes: Mapping[str, str] | None = None, message_id: str | None = None
) -> Message:
    """A message of the dead-letter topic as the worker receives it."""
    stamp = SimpleNamespace(seconds=int(PUBLISHED.timestamp()), nanos=0)
    sent = SimpleNamespace(message_id=message_id or f"letter-{next(_ids)}", publish_time=stamp)
    return Message(body, made() if attributes is None else attributes, "ack", SimpleNamespace(message=sent))


class Letters:
    """The handler on a database, and the rows it made."""

    def __init__(self, database: str) -> None:
        self.engine = connect(database, application_name="test", pool_size=20)
        self.stop = threading.Event()
        self.store = DeadLetterStore(self.engine, self.stop, guardrails=GUARDRAILS, feedback=FEEDBACK)

    def handle(self, *messages: Message) -> list[Outcome]:
        return self.store(messages)

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.transaction() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def rows(self, where: str = "true") -> list[SimpleNamespace]:
        """The dead letters in the order in which they were stored, by column name; the payload as bytes."""
        with self.transaction() as cursor:
            cursor.execute(f"SELECT * FROM dead_letter_events WHERE {where} ORDER BY id")
            names = [column.name for column in cursor.description]
            found = [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in cursor]
        for row in found:
            row.payload = bytes(row.payload)
        return found

    def statuses(self) -> list[str]:
        return [row.status for row in self.rows()]

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        connection = self.engine.raw_connection()
        try:
            yield connection.cursor()
            connection.commit()
        finally:
            connection.close()

    def close(self) -> None:
        self.engine.dispose()
