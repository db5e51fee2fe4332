"""What bounds every worker: PostgreSQL's own COPY of the rows, and the broker with a consumer that does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from prompt_worker.platform.postgres.statements import statement
from tests.benchmarks.services import VoidError, session
from tests.benchmarks.stage import Stage

_TEXT = "COPY prompt_executions {}"


@dataclass(frozen=True)
class Cost:
    """Of `events`: wall and CPU seconds of the one service that worked."""

    events: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def micros(self) -> float:
        return self.cpu / self.events * 1e6


def raw_copy(stage: Stage, text: bytes = b"") -> Cost:
    """One COPY of all rows into the table with its indexes and foreign key, statistics triggers off.

    In the binary format, or in the usual one where its `text` is given.
    """
    events = len(stage.messages)
    how, body = (
        (_TEXT.format("FROM STDIN"), text)
        if text
        else (statement("prompt_worker.executions.writer", "write_executions"), stage.copy_body)
    )
    with session(stage.database.url) as loading, loading.cursor() as cursor:
        cursor.execute("ALTER TABLE prompt_executions DISABLE TRIGGER USER")
        start = stage.services.read()
        cursor.copy_expert(how, BytesIO(body), size=1 << 20)
        used = stage.services.read() - start
        if cursor.rowcount != events:
            raise VoidError(f"raw COPY stored {cursor.rowcount} of {events} rows")
        cursor.execute("ALTER TABLE prompt_executions ENABLE TRIGGER USER")
    return Cost(events, used.clock, used.postgres)


def as_text(stage: Stage) -> bytes:
    """The rows that the table holds, in the usual format of COPY."""
    body = BytesIO()
    with session(stage.database.url) as reading, reading.cursor() as cursor:
        cursor.copy_expert(_TEXT.format("TO STDOUT"), body, size=1 << 20)
    return body.getvalue()


def broker_alone(stage: Stage) -> Cost:
    stage.backlog.refill()
    start = stage.services.read()
    stage.backlog.pull_and_acknowledge()
    used = stage.services.read() - start
    return Cost(stage.backlog.size, used.clock, used.broker)
