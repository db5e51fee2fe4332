"""Every worker and `up` under what befalls commands: an honest exit code, one sentence why, never a traceback."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.local.servers.server import free_port
from tests.support.events import bodies, body
from tests.support.forking import Forked, Forks
from tests.support.pipeline import Pipeline
from tests.support.probing import probe
from tests.support.pushing import EXECUTIONS, envelope, post_all

pytestmark = pytest.mark.embedded_only

DOWN = "127.0.0.1:1"
# By worker: the role that it needs. An operator may store dead letters and look at experiments too.
PULLING = {
    "executions": {"prompt_execution_worker"},
    "guardrails": {"prompt_guardrail_worker"},
    "dead-letters": {"prompt_dead_letter_worker", "prompt_operator"},
}
NEEDED = PULLING | {"experiments": {"prompt_experiment_worker", "prompt_operator"}}
ROLES = {"prompt_nobody", "prompt_reader", "prompt_operator"}.union(*NEEDED.values())
# What surrounds a process without being its business.
SURROUNDINGS: dict[str, dict[str, str]] = {
    "closed standard input": {"stdin": ""},
    "closed pipes": {"stdout": "closed pipe", "stderr": "closed pipe"},
    "full disk": {"stdout": "/dev/full", "stderr": "/dev/full"},
    "ASCII": {"encoding": "ascii"},
    "Latin-1": {"encoding": "latin-1"},
}
NAMELESS = {"LOGNAME": "", "USER": "", "LNAME": "", "USERNAME": "", "HOME": ""}


class Workers:
    """Starts workers beside each other, each with work that waits for it."""

    def __init__(self, pipeline: Pipeline, forks: Forks) -> None:
        self._forks = forks
        self._environment = pipeline.environment | {"PROMPT_WORKER_PUSH_WITHOUT_TOKEN": "true"}
        pipeline.publish(bodies(20))
        rejected = PubsubMessage(data=body(), attributes={"dead-letter-error-class": "test"})
        pipeline.publish_messages([rejected] * 20, pipeline.topology.names.dead_letter_topic)

    def run(self, worker: str, what: str, settings: dict[str, str], **streams: str) -> Forked:
        name = f"run {worker}, {what}"
        return self._forks.start(name, ["run", worker], self._environment | settings, **streams)

    def serve(self, what: str, settings: dict[str, str], **streams: str) -> Forked:
        """Gets its events once it listens, as many times as it takes."""
        port = free_port()
        given = self._environment | settings | {"PORT": str(port)}
        started = self._forks.start(f"serve, {what}", ["serve"], given, **streams)

        def push() -> None:
            while started.code is None:
                time.sleep(0.05)
                if probe(port, "/healthz")[0]:
                    post_all(port, EXECUTIONS, [envelope(one) for one in bodies(3)])

        threading.Thread(target=push, daemon=True).start()
        return started

    def all(self, what: str, **settings: str) -> list[Forked]:
        return [*(self.run(worker, what, settings) for worker in NEEDED), self.serve(what, settings)]


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("workers")) as started:
        yield started


@pytest.fixture
def workers(pipeline: Pipeline, forks: Forks) -> Workers:
    pipeline.query(
        "DO $$ BEGIN CREATE ROLE prompt_nobody NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; "
        "END $$"
    )
    return Workers(pipeline, forks)


def as_role(pipeline: Pipeline, role: str) -> dict[str, str]:
    return {"DATABASE_URL": f"{pipeline.database}?options=-c%20role%3D{role}"}


def check_ended(worker: Forked, code: int, says: str = "") -> None:
    """With this exit code, and one line that says why."""
    assert worker.wait() == code, (worker.name, worker.said)
    assert "Traceback" not in worker.said, worker.said
    endings = [entry for entry in worker.logs if entry.get("event") == "ended"]
    assert [(one["severity"], one["exit_code"]) for one in endings] == [("CRITICAL", code)], (
        worker.name,
        worker.said,
    )
    assert says in endings[0]["message"], (worker.name, endings)


def check_stopped(started: Sequence[Forked], says: str) -> None:
    """They go on, after a sentence about what is down, until SIGTERM."""
    for worker in started:
        worker.terminate(lambda worker: says in worker.said)
    for worker in started:
        assert (worker.wait(), says in worker.said) == (0, True), (worker.name, worker.said)
        assert "Traceback" not in worker.said


def test_workers_without_their_role_end_and_say_so(pipeline: Pipeline, workers: Workers) -> None:
    started = [
        workers.run(worker, role, as_role(pipeline, role))
        for worker, needed in NEEDED.items()
        for role in sorted(ROLES - needed)
    ]
    for one in [*started, workers.serve("prompt_nobody", as_role(pipeline, "prompt_nobody"))]:
        check_ended(one, 69, "insufficient privilege (42501)")


def test_workers_on_an_unmigrated_database_end_and_say_so(workers: Workers, empty_database: str) -> None:
    for worker in workers.all("not migrated", DATABASE_URL=empty_database):
        check_ended(worker, 69, "Run 'prompt-worker migrate'")


def test_workers_wait_for_a_database_that_is_down(workers: Workers) -> None:
    check_stopped(
        workers.all("database down", DATABASE_URL=f"postgresql://somebody@{DOWN}/nothing"), "trying again"
    )


def test_workers_wait_for_a_broker_that_is_down(workers: Workers) -> None:
    started = [workers.run(worker, "broker down", {"PUBSUB_EMULATOR_HOST": DOWN}) for worker in PULLING]
    check_stopped(started, "UNAVAILABLE")


def test_workers_end_alike_whatever_surrounds_them(pipeline: Pipeline, workers: Workers) -> None:
    refused = as_role(pipeline, "prompt_nobody")
    started = [workers.run("executions", what, refused, **streams) for what, streams in SURROUNDINGS.items()]
    started += [workers.serve(what, refused, **streams) for what, streams in SURROUNDINGS.items()]
    started.append(workers.run("executions", "no name", refused | NAMELESS))
    for worker in started:
        assert worker.wait() == 69, (worker.name, worker.said)
        assert "Traceback" not in worker.said


def test_up_ends_as_its_shell_expects() -> None:
    """In other surroundings it works: test_up.py."""
    cases = {
        '"$@" | head -0; exit ${PIPESTATUS[0]}': (141, ""),
        '"$@" > /dev/full': (74, "No space left on device"),
    }
    up = [sys.executable, "-m", "prompt_worker", "up", "--once"]
    started = [
        subprocess.Popen(
            ["bash", "-c", case, "bash", *up],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for case in cases
    ]
    for process, (case, (code, says)) in zip(started, cases.items(), strict=True):
        _, err = process.communicate(timeout=120)
        assert (process.returncode, says in err.decode(), len(err.splitlines()) <= 1) == (code, True, True), (
            case,
            err,
        )
