"""P4: while the database is down nothing is dead-lettered or lost, memory stays flat, and the worker recovers itself.

The outages are seconds here; `OUTAGE_SECONDS=60 pytest tests/faults/test_database_down.py` makes them a minute.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import psycopg2
import pytest

from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.local.servers.server import free_port
from tests.support.events import bodies, body
from tests.support.pipeline import Pipeline, connected
from tests.support.probing import probe
from tests.support.worker_process import WorkerProcess

OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "5"))
MEGABYTE = 1_000_000


@contextmanager
def load(pipeline: Pipeline) -> Iterator[list[bytes]]:
    """Publishes about 1,000 events a second while it lasts; yields the list of them."""
    published: list[bytes] = []
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(0.1):
            portion = bodies(100, seed=len(published))
            pipeline.publish(portion)
            published.extend(portion)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield published
    finally:
        stop.set()
        thread.join()


def assert_recovered(pipeline: Pipeline, worker: WorkerProcess, published: list[bytes]) -> None:
    pipeline.wait_for_rows(len(published))
    assert worker.running
    assert pipeline.dead_letters(0) == []
    pipeline.assert_exact(published)
    assert worker.messages("ERROR", "CRITICAL") == []
    assert worker.terminate()[0] == 0
    assert "dead-lettered" not in worker.totals


@pytest.mark.embedded_only
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_stopped_database_costs_nothing_but_time(
    pipeline: Pipeline, postgres: Postgres, mode: Literal["fast", "immediate"]
) -> None:
    # Its memory is measured.
    pipeline.warm = False
    with pipeline.worker() as worker:
        with load(pipeline) as published:
            pipeline.wait_for_rows(1000)
            postgres.stop(mode)
            worker.wait_for(lambda w: w.messages("WARNING"))
            before = most = worker.rss
            end = time.monotonic() + OUTAGE
            while time.monotonic() < end:
                time.sleep(0.2)
                most = max(most, worker.rss)
            assert worker.running
            postgres.start()
        assert_recovered(pipeline, worker, published)
        assert most - before < 15 * MEGABYTE, "memory grew while the database was down"
        assert most < 150 * MEGABYTE


@pytest.mark.embedded_only
def test_worker_started_without_a_database_waits_for_it(pipeline: Pipeline, postgres: Postgres) -> None:
    published = bodies(300)
    pipeline.publish(published)
    postgres.stop()
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.messages("WARNING"))
        assert "Connection refused" in worker.messages("WARNING")[0]
        postgres.start()
        assert_recovered(pipeline, worker, published)


def test_killed_connections_are_replaced(pipeline: Pipeline) -> None:
    with pipeline.worker() as worker:
        with load(pipeline) as published:
            for _ in range(15):
                time.sleep(0.15)
                pipeline.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND application_name LIKE 'prompt-worker%'"
                )
        assert_recovered(pipeline, worker, published)


@pytest.mark.embedded_only
def test_locked_template_row_delays_its_events_and_loses_none(pipeline: Pipeline) -> None:
    """The lock outlives several lock timeouts; each is a retry."""
    published = bodies(500)
    locking = psycopg2.connect(pipeline.database)
    locking.cursor().execute("SELECT FROM prompt_templates FOR UPDATE")
    with pipeline.worker() as worker:
        pipeline.publish(published)
        worker.wait_for(lambda w: any("lock not available (55P03); attempt 2" in m for m in w.messages()))
        assert pipeline.rows() == 0
        locking.rollback()
        assert_recovered(pipeline, worker, published)
    locking.close()


def test_read_only_database_is_waited_for(pipeline: Pipeline) -> None:
    """As after a failover, or when a managed server has filled its disk."""
    published = bodies(300)
    name = pipeline.database.rsplit("/", 1)[1]
    pipeline.query(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pipeline.worker() as worker:
        pipeline.publish(published)
        worker.wait_for(
            lambda w: any("read only sql transaction (25006)" in m for m in w.messages("WARNING"))
        )
        with connected(pipeline.database) as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert_recovered(pipeline, worker, published)


def test_read_only_connection_is_replaced(pipeline: Pipeline) -> None:
    """After a failover the connection still leads to the old primary: only a new one reaches the new one."""
    published = bodies(300)
    name = pipeline.database.rsplit("/", 1)[1]
    pipeline.query(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    port = free_port()
    with pipeline.worker(PROMPT_WORKER_PROBE_PORT=str(port)) as worker:
        pipeline.publish(published)
        worker.wait_for(
            lambda w: any("read only sql transaction (25006)" in m for m in w.messages("WARNING"))
        )
        read_only = "the database is read-only: a standby, or a server that protects a full disk\n"
        assert probe(port, "/readyz") == (503, read_only)
        assert probe(port, "/healthz") == (200, "alive\n")
        with connected(pipeline.database) as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert_recovered(pipeline, worker, published)


def test_too_many_connections_are_waited_for(pipeline: Pipeline) -> None:
    published = bodies(300)
    name = pipeline.database.rsplit("/", 1)[1]
    pipeline.query("DO $$ BEGIN CREATE ROLE crowded LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    pipeline.query("GRANT ALL ON ALL TABLES IN SCHEMA public TO crowded")
    pipeline.query(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    with pipeline.worker(DATABASE_URL=pipeline.database.replace("postgres@", "crowded@")) as worker:
        pipeline.publish(published)
        worker.wait_for(lambda w: any("too many connections" in m for m in w.messages("WARNING")))
        pipeline.query(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
        assert_recovered(pipeline, worker, published)


@pytest.mark.embedded_only
def test_full_disk_is_waited_for(pipeline: Pipeline, postgres: Postgres) -> None:
    """The kernel lets no file of the server grow beyond 20 MB: as a full disk, but the error is "File too large"."""
    published = [body(model_response=os.urandom(15_000).hex()) for _ in range(1000)]
    postgres.stop()
    # The server inherits it; a soft limit can be raised again.
    with file_size_limit(20_000_000):
        postgres.start()
    try:
        with pipeline.worker() as worker:
            pipeline.publish(published)
            worker.wait_for(lambda w: any("internal error (XX000)" in m for m in w.messages("WARNING")))
            assert worker.running
            postgres.stop()
            postgres.start()
            assert_recovered(pipeline, worker, published)
    finally:
        postgres.stop()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
