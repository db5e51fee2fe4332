"""deploy/README.md as far as it runs without Google Cloud: its logins and roles, its jobs, its first event."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest

from prompt_worker.local.servers.server import free_port
from tests.support.deployment import FIRST_EVENT, REPOSITORY, terraform
from tests.support.pipeline import HMAC_KEY, Pipeline, wait_until
from tests.support.probing import probe
from tests.support.worker_process import WorkerProcess

# As step 4 of the document gives them.
ROLES = dict(
    re.findall(r"^([a-z-]+) (prompt_\w+)$", (REPOSITORY / "deploy/README.md").read_text(), re.MULTILINE)
)


class Deployment:
    """A database and topics; each program of deploy/ as the login that it has there."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.suffix = pipeline.database.rpartition("/")[2]

    def login(self, account: str) -> str:
        return f"{account}_{self.suffix}"

    def environment(self, account: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.pipeline.database.replace("postgres@", f"{self.login(account)}@", 1),
            "PUBSUB_PROJECT_ID": self.pipeline.topology.project,
            "PROMPT_WORKER_HMAC_KEY": HMAC_KEY,
        }

    def consumer(self, name: str, **settings: str) -> WorkerProcess:
        return WorkerProcess(self.environment(name) | settings, "-m", "prompt_worker", "run", name)

    def job(self, name: str) -> str:
        """What it printed; it must end with 0."""
        job = terraform()["local.jobs"][name]
        done = subprocess.run(
            [sys.executable, "-m", "prompt_worker", *job["args"]],
            env=os.environ | self.environment(job["account"]),
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def deployment(pipeline: Pipeline) -> Iterator[Deployment]:
    deployed = Deployment(pipeline)
    connection = psycopg2.connect(pipeline.database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for account, role in ROLES.items():
            cursor.execute(f'CREATE ROLE "{deployed.login(account)}" LOGIN IN ROLE {role}')
        yield deployed
        for account in ROLES:
            cursor.execute(f'DROP ROLE "{deployed.login(account)}"')
    connection.close()


def test_document_gives_every_account_but_the_owner_a_role() -> None:
    assert set(ROLES) == set(terraform()["local.secrets"]) - {"migrations"}


@pytest.mark.embedded_only
def test_first_event_is_verified_with_the_least_rights(deployment: Deployment) -> None:
    pipeline = deployment.pipeline
    assert "no execution stored yet" in deployment.job("doctor")
    pipeline.publish([FIRST_EVENT, b'{"event_id": "not one"}'])
    with (
        deployment.consumer("executions"),
        deployment.consumer("guardrails"),
        deployment.consumer("dead-letters"),
    ):
        pipeline.wait_for_rows(1)
        pipeline.wait_for_evaluations(1)
        wait_until(lambda: dead_letters(pipeline) == ["pending"], 60, lambda: f"{dead_letters(pipeline)}")
        assert "newest stored execution is" in deployment.job("doctor")
        assert deployment.job("replay")
    # A replay without --yes is a dry run.
    assert dead_letters(pipeline) == ["pending"]


@pytest.mark.embedded_only
def test_evaluator_of_experiments_is_ready_with_the_least_rights(deployment: Deployment) -> None:
    port = free_port()
    with deployment.consumer("experiments", PROMPT_WORKER_PROBE_PORT=str(port)) as evaluator:
        evaluator.wait_for(lambda _: probe(port, "/readyz")[0] == 200)
        assert probe(port, "/healthz")[0] == 200
        assert "not looked at" not in evaluator.output


def dead_letters(pipeline: Pipeline) -> list[str]:
    return [status for (status,) in pipeline.query("SELECT status FROM dead_letter_events")]
