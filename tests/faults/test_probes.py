"""A worker that hangs is reported by its probe; one that waits for its database is not, as a restart would not help."""

from __future__ import annotations

import socket
import time

import pytest

from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.local.servers.server import free_port
from tests.faults.test_shutdown import frozen
from tests.support.events import bodies
from tests.support.pipeline import Pipeline
from tests.support.probing import probe
from tests.support.timing import STOP_SECONDS
from tests.support.worker_process import PATIENCE, WorkerProcess

STUCK_SECONDS = 1.5

# A handler that never returns, in a worker that is otherwise the real one.
STUCK_HANDLER = """
import sys, threading
import prompt_worker.executions.writer
prompt_worker.executions.writer.ExecutionWriter.__call__ = lambda self, messages: threading.Event().wait()
sys.argv = ["prompt-worker", "run", "executions"]
from prompt_worker.commands.cli import main
sys.exit(main())
"""


# Only its first batch hangs.
HANGING_ONCE = """
import itertools, sys, threading
from prompt_worker.executions.writer import ExecutionWriter
handle, calls = ExecutionWriter.__call__, itertools.count()
ExecutionWriter.__call__ = lambda self, messages: handle(self, messages) if next(calls) else threading.Event().wait()
sys.argv = ["prompt-worker", "run", "executions"]
from prompt_worker.commands.cli import main
sys.exit(main())
"""


def probed(port: int) -> dict[str, str]:
    return {"PROMPT_WORKER_PROBE_PORT": str(port), "PROMPT_WORKER_STUCK_SECONDS": str(STUCK_SECONDS)}


def wait_for(worker: WorkerProcess, port: int, path: str, status: int, seconds: float = PATIENCE) -> str:
    worker.wait_for(lambda _: probe(port, path)[0] == status, seconds)
    return probe(port, path)[1]


@pytest.mark.parametrize("consumer", ["executions", "guardrails", "dead-letters"])
def test_idle_worker_is_alive_and_ready(pipeline: Pipeline, consumer: str) -> None:
    port = free_port()
    stuck_seconds = 0.5
    settings = probed(port) | {"PROMPT_WORKER_STUCK_SECONDS": str(stuck_seconds)}
    with pipeline.command("run", consumer, **settings) as worker:
        wait_for(worker, port, "/healthz", 200)
        time.sleep(2 * stuck_seconds)
        assert probe(port, "/healthz") == (200, "alive\n")
        assert probe(port, "/readyz") == (200, "ready\n")
        assert probe(port, "/") == (404, "no such page\n")
        assert worker.terminate()[0] == 0


@pytest.mark.embedded_only
def test_worker_is_not_ready_without_every_migration(pipeline: Pipeline) -> None:
    port = free_port()
    pipeline.query("DELETE FROM schema_migrations WHERE version = 'guardrail_violations'")
    pipeline.query("INSERT INTO schema_migrations (version, checksum) VALUES ('of_a_later_version', 'x')")
    with pipeline.worker(**probed(port)) as worker:
        message = wait_for(worker, port, "/readyz", 503)
        missing = "migrations that are not applied: guardrail_violations"
        assert message == f"{missing}. Run 'prompt-worker migrate'\n"
        pipeline.query("INSERT INTO schema_migrations (version) VALUES ('guardrail_violations')")
        wait_for(worker, port, "/readyz", 200)
        assert "ready again" in worker.messages()


@pytest.mark.embedded_only
def test_worker_is_not_ready_without_the_schema(pipeline: Pipeline, empty_database: str) -> None:
    port = free_port()
    with pipeline.worker(DATABASE_URL=empty_database, **probed(port)) as worker:
        assert "enterprise_prompt_system_phase1" in wait_for(worker, port, "/readyz", 503)


@pytest.mark.embedded_only
def test_worker_is_alive_but_not_ready_while_database_is_down(pipeline: Pipeline, postgres: Postgres) -> None:
    port = free_port()
    longer_than_between_retries = {"PROMPT_WORKER_STUCK_SECONDS": "6"}
    with pipeline.worker(**probed(port) | longer_than_between_retries) as worker:
        wait_for(worker, port, "/readyz", 200)
        postgres.stop()
        pipeline.publish(bodies(100))
        worker.wait_for(lambda w: w.messages("WARNING"))
        for _ in range(16):
            assert probe(port, "/healthz") == (200, "alive\n")
            time.sleep(0.5)
        status, message = probe(port, "/readyz")
        assert (status, message) == (503, "the database does not answer: the log says why\n")
        postgres.start()
        pipeline.wait_for_rows(100)
        assert probe(port, "/healthz") == (200, "alive\n")
        wait_for(worker, port, "/readyz", 200)


@pytest.mark.embedded_only
def test_batch_of_a_frozen_server_is_reported_until_it_moves(pipeline: Pipeline, postgres: Postgres) -> None:
    port = free_port()
    with pipeline.worker(**probed(port)) as worker:
        pipeline.publish(bodies(100))
        pipeline.wait_for_rows(100)
        with frozen(postgres):
            pipeline.publish(bodies(100, seed=1))
            message = wait_for(worker, port, "/healthz", 503)
            assert message.startswith("a batch has made no progress for ")
        wait_for(worker, port, "/healthz", 200)
        pipeline.wait_for_rows(200)


@pytest.mark.embedded_only
def test_hanging_handler_stays_reported(pipeline: Pipeline) -> None:
    port = free_port()
    with pipeline.worker_program(STUCK_HANDLER, **probed(port)) as worker:
        wait_for(worker, port, "/healthz", 200)
        pipeline.publish(bodies(1))
        wait_for(worker, port, "/healthz", 503)
        time.sleep(STUCK_SECONDS)
        assert probe(port, "/healthz")[0] == 503
        assert any("restart this instance" in message for message in worker.messages("ERROR"))
        code, seconds = worker.terminate()
        assert code == 0
        assert seconds < STOP_SECONDS


@pytest.mark.embedded_only
def test_hanging_batch_does_not_delay_other_lanes(pipeline: Pipeline) -> None:
    with pipeline.worker_program(HANGING_ONCE) as worker:
        worker.wait_for(lambda w: w.logs)
        pipeline.publish(bodies(1))
        time.sleep(1)
        pipeline.publish(bodies(20, seed=1))
        pipeline.wait_for_rows(20)


@pytest.mark.embedded_only
def test_taken_probe_port_is_named(pipeline: Pipeline) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pipeline.worker(PROMPT_WORKER_PROBE_PORT=str(port)) as worker:
            assert worker.wait() == 69
            assert f"PROMPT_WORKER_PROBE_PORT: cannot listen on port {port}" in worker.output
