"""What bounds every worker: PostgreSQL's own COPY of the rows, and the broker with a consumer that does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from prompt_worker.platform.postgres.statements import statement
from tests.benchmarks.services import VoidError, session
from tests.benchmarks.stage import Stage

_TABLE = "COPY prompt_executions ("


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
    """One COPY of all rows into their month with its indexes and foreign key, statistics triggers off.

    In the binary format, or in the usual one where its `text` is given.
    """
    events = len(stage.messages)
    month = stage.database.month()
    how, body = (
        (f"COPY {month} FROM STDIN", text)
        if text
        else (
            statement("prompt_worker.executions.writer", "write_executions").replace(
                _TABLE, f"COPY {month} ("
            ),
            stage.copy_body,
        )
    )
    with session(stage.database.url) as loading, loading.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {month} DISABLE TRIGGER USER")
        start = stage.services.read()
        cursor.copy_expert(how, BytesIO(body), size=1 << 20)
        used = stage.services.read() - start
        if cursor.rowcount != events:
            raise VoidError(f"raw COPY stored {cursor.rowcount} of {events} rows")
        cursor.execute(f"ALTER TABLE {month} ENABLE TRIGGER USER")
    return Cost(events, used.clock, used.postgres)


def as_text(stage: Stage) -> bytes:
    """The rows that the table holds, in the usual format of COPY."""
    body = BytesIO()
    with session(stage.database.url) as reading, reading.cursor() as cursor:
        cursor.copy_expert("COPY (SELECT * FROM prompt_executions) TO STDOUT", body, size=1 << 20)
    return body.getvalue()


def broker_alone(stage: Stage) -> Cost:
    stage.backlog.refill()
    start = stage.services.read()
    stage.backlog.pull_and_acknowledge()
    used = stage.services.read() - start
    return Cost(stage.backlog.size, used.clock, used.broker)
