"""A database of the version before partitions gets them while it is written: how long does one insert wait?

Two programs write meanwhile: a service that inserts one row after the other, and a worker's batches.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from prompt_schema.migrate import MIGRATIONS, migrate
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.benchmarks import takeover
from tests.benchmarks.events import bodies
from tests.benchmarks.services import Database, Services
from tests.benchmarks.stage import Report
from tests.benchmarks.table import Row
from tests.benchmarks.takeover import Change
from tests.benchmarks.write_path import ATTRIBUTES
from tests.support.live_service import Service

LAST = "0022"
BEFORE = "bench_before_partitions"
BATCH = 100
EVENTS = 200_000


def measure(services: Services, rows: int, turns: int, report: Report) -> Row:
    report(f"making a database of {rows:,} rows without partitions")
    _before(services, rows)
    made = []
    for turn in range(1, turns + 1):
        report(f"turn {turn} of {turns}: making partitions of {rows:,} rows")
        with services.copy_of(BEFORE) as database:
            made.append(_convert(database))
    services.drop(BEFORE)
    return takeover.row(f"an insert while a table of {rows:,} rows gets partitions: its longest wait", made)


def _before(services: Services, rows: int) -> None:
    database = services.new_database(BEFORE)
    engine = connect(database.url, application_name="bench migrate", statement_timeout_ms=0)
    with TemporaryDirectory() as folder:
        for file in MIGRATIONS.glob("*.sql"):
            if file.name[: len(LAST)] <= LAST:
                shutil.copy(file, folder)
        migrate(engine, folder=Path(folder))
    engine.dispose()
    pattern = bodies(takeover.PATTERN, database.templates())
    with _batches(database, pattern, threading.Event()) as written:
        pass
    assert len(written) == len(pattern)
    takeover.multiply(database, rows)
    for table in ("template", "guardrail"):
        database.execute(f"SELECT rebuild_{table}_statistics(id) FROM prompt_{table}s")


def _convert(database: Database) -> Change:
    before = database.rows()
    events = bodies(EVENTS, database.templates())
    reports: list[tuple[float, str]] = []
    engine = connect(database.url, application_name="bench conversion", statement_timeout_ms=0)
    service, stop = Service(database.url, templates=2), threading.Event()
    with service.inserting(), _batches(database, events, stop) as written:
        threading.Event().wait(1.0)
        began = monotonic()
        migrate(engine, lambda line: reports.append((monotonic(), line)))
        seconds = monotonic() - began
        threading.Event().wait(1.0)
        stop.set()
    engine.dispose()
    lost = before + len(service.waits) + len(written) - database.rows()
    return Change(
        takeover.longest(service, reports),
        seconds,
        len(service.waits) + len(written),
        service.refused,
        lost,
        len(database.wrong_counters()),
    )


@contextmanager
def _batches(database: Database, events: list[bytes], stop: threading.Event) -> Iterator[list[bytes]]:
    """Writes them as a worker does, until `stop` is set or all are written; yields those that are written so far."""
    written: list[bytes] = []
    engine = connect(database.url, application_name="bench batches")
    handle = ExecutionWriter(engine, threading.Event())

    def write() -> None:
        for start in range(0, len(events), BATCH):
            left = events[start : start + BATCH]
            while left:
                outcomes = handle([Message(event, ATTRIBUTES, "") for event in left])
                done = {Verdict.WRITTEN, Verdict.DUPLICATE}
                written.extend(e for e, outcome in zip(left, outcomes, strict=True) if outcome in done)
                left = [e for e, outcome in zip(left, outcomes, strict=True) if outcome is Verdict.RETRY]
            if stop.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        thread.join()
        engine.dispose()
