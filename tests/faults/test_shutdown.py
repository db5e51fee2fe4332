"""P5: SIGTERM ends a worker in under 8 s with exit code 0: its batch is written and acknowledged, the rest handed back.

"Handed back" is shown by a second worker: it has everything at once, and not when the first one's leases end (60 s).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import psycopg2
import pytest

from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import bodies, body
from tests.support.pipeline import Pipeline
from tests.support.timing import LATE, STOP_SECONDS
from tests.support.worker_process import WorkerProcess

# Seconds: the start of the second worker and the broker's back-off, far below 60.
AT_ONCE = 25.0


def stop(worker: WorkerProcess) -> None:
    code, seconds = worker.terminate()
    assert code == 0, worker.output
    assert seconds < STOP_SECONDS, f"took {seconds:.1f} s"
    assert worker.messages("ERROR", "CRITICAL") == []


def assert_handed_back(pipeline: Pipeline, published: list[bytes]) -> WorkerProcess:
    """A second worker writes what the first one left, and sees nothing that the first one wrote."""
    written = pipeline.rows()
    with pipeline.worker() as second:
        pipeline.wait_for_rows(len(published), AT_ONCE)
        stop(second)
    assert second.totals.get("written", 0) == len(published) - written
    assert second.totals.get("duplicate", 0) == 0
    assert pipeline.dead_letters(0) == []
    pipeline.assert_exact(published)
    return second


def test_idle_worker_ends_on_sigterm(pipeline: Pipeline) -> None:
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.logs)
        stop(worker)
    assert worker.messages()[-1] == "stopped: nothing yet"


@pytest.mark.embedded_only
@pytest.mark.parametrize("after", [0.0, 0.3])
def test_worker_under_load_ends_its_batch_and_returns_the_rest(pipeline: Pipeline, after: float) -> None:
    # More than a worker writes before it is stopped.
    published = bodies(40_000)
    pipeline.publish(published)
    with pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="500") as worker:
        pipeline.wait_for_rows(1)
        time.sleep(after)
        stop(worker)
    assert worker.totals["written"] == pipeline.rows() < len(published)
    assert_handed_back(pipeline, published)


@pytest.mark.embedded_only
def test_sigint_stops_the_worker_in_order(pipeline: Pipeline) -> None:
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.logs)
        os.kill(worker.pid, signal.SIGINT)
        assert worker.wait(STOP_SECONDS) == 0


def test_second_signal_kills_the_worker(pipeline: Pipeline, postgres: Postgres) -> None:
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.logs)
        os.kill(worker.pid, signal.SIGTERM)
        time.sleep(0.3)
        started = time.monotonic()
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(STOP_SECONDS) == -signal.SIGTERM
        assert time.monotonic() - started < LATE


@pytest.mark.embedded_only
def test_worker_ends_while_its_database_is_down(pipeline: Pipeline, postgres: Postgres) -> None:
    published = bodies(3000)
    pipeline.publish(published)
    postgres.stop()
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.messages("WARNING"))
        stop(worker)
    postgres.start()
    assert_handed_back(pipeline, published)


@pytest.mark.embedded_only
def test_worker_ends_while_it_waits_for_a_lock(pipeline: Pipeline) -> None:
    published = bodies(3000)
    pipeline.publish(published)
    locking = psycopg2.connect(pipeline.database)
    locking.cursor().execute("SELECT FROM prompt_templates FOR UPDATE")
    with pipeline.worker() as worker:
        wait_for_blocked(pipeline)
        stop(worker)
    locking.close()
    assert_handed_back(pipeline, published)


@pytest.mark.embedded_only
def test_worker_ends_while_its_database_hangs(pipeline: Pipeline, postgres: Postgres) -> None:
    """The server neither answers nor refuses, as when its machine is paused or the network drops every packet."""
    published = [body() for _ in range(10_000)]
    pipeline.publish(published)
    with pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="500") as worker:
        pipeline.wait_for_rows(1)
        with frozen(postgres):
            time.sleep(0.5)
            stop(worker)
    assert pipeline.rows() < len(published)
    with pipeline.worker() as second:
        pipeline.wait_for_rows(len(published), AT_ONCE)
        stop(second)
    assert pipeline.dead_letters(0) == []
    pipeline.assert_exact(published)


def wait_for_blocked(pipeline: Pipeline) -> None:
    deadline = time.monotonic() + 10
    waiting = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'prompt-worker%' AND wait_event_type = 'Lock'"
    while pipeline.query(f"SELECT count(*) FROM ({waiting}) AS w")[0][0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    server = psutil.Process(postgres.pid)
    family = [server, *server.children(recursive=True)]
    for process in family:
        # An autovacuum worker may just have ended.
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()
