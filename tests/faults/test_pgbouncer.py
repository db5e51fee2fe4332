"""A real PgBouncer in transaction mode between all of this and the database: nothing needs a session of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from prompt_worker.local.servers.postgres import Postgres
from tests.conftest import execute
from tests.support.events import bodies, body
from tests.support.guardrails import WORD, Guarding
from tests.support.pgbouncer import CONNECTIONS, PgBouncer
from tests.support.pipeline import Pipeline
from tests.support.warm import WarmProcess

pytestmark = pytest.mark.embedded_only


@pytest.fixture
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as started:
        yield started


class Pooled(Pipeline):
    """Its workers and commands reach the database through the pooler alone; its own checks do not."""

    pooler: str

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"DATABASE_URL": self.pooler}


@pytest.fixture
def pooled(pgbouncer: PgBouncer, postgres: Postgres, database: str, project: str) -> Iterator[Pooled]:
    opened = Pooled(project, database, warm=True)
    opened.pooler = pgbouncer.url_of(database)
    # What the pooler drops of the start of a session, as deploy/settings.md says.
    execute(postgres, "ALTER ROLE postgres SET statement_timeout = '30s'")
    execute(postgres, "ALTER ROLE postgres SET lock_timeout = '3s'")
    yield opened
    postgres.start()
    execute(postgres, "ALTER ROLE postgres RESET ALL")
    opened.close()


def run(pipeline: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = WarmProcess(
        ["-m", "prompt_worker", *arguments],
        env=os.environ | pipeline.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.wait(), out, err)


def test_all_workers_are_exact_behind_a_pooler(pooled: Pooled, database: str) -> None:
    guarding = Guarding(pooled)
    guarding.add_guardrail()
    published = bodies(4000) + [body(model_response=WORD) for _ in range(100)]
    bad = [body(template_name="nobody-knows") for _ in range(20)]
    # A session of its own would keep what is set for it, beside the work of others.
    pooled.query(f"ALTER DATABASE {database.rsplit('/', 1)[1]} SET timezone = 'Asia/Kathmandu'")
    with (
        pooled.worker() as first,
        pooled.worker() as second,
        pooled.guardrail_worker() as guardrails,
        pooled.command("run", "dead-letters") as dead_letters,
    ):
        pooled.publish(published + published[::10] + bad)
        pooled.wait_for_rows(len(published))
        pooled.wait_for_evaluations(len(published) + len(bad))
        dead_letters.wait_for(lambda w: w.totals.get("written", 0) >= len(bad))
        for worker in (first, second, guardrails, dead_letters):
            assert worker.terminate()[0] == 0
            assert worker.messages("ERROR", "CRITICAL") == []
    assert len(guarding.violations()) == 100
    assert pooled.query("SELECT count(*) FROM dead_letter_events") == [(len(bad),)]
    pooled.assert_exact(published)
    [(connections,)] = pooled.query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    assert connections <= CONNECTIONS


def test_pooler_that_is_killed_costs_only_time(pooled: Pooled, pgbouncer: PgBouncer) -> None:
    published = bodies(6000)
    with pooled.worker() as worker:
        for turn in range(3):
            pooled.publish(published[turn * 2000 : (turn + 1) * 2000])
            time.sleep(0.3)
            os.kill(pgbouncer.pid, 9)
            worker.wait_for(lambda w, turn=turn: len(w.messages("INFO", "WARNING")) > turn)
            pgbouncer.stop()
            pgbouncer.start()
        pooled.wait_for_rows(len(published))
        assert worker.terminate()[0] == 0
        assert worker.messages("ERROR", "CRITICAL") == []
    assert pooled.dead_letters(0) == []
    pooled.assert_exact(published)


def test_database_that_restarts_behind_a_pooler_costs_only_time(pooled: Pooled, postgres: Postgres) -> None:
    published = bodies(4000)
    with pooled.worker() as worker:
        pooled.publish(published[:2000])
        pooled.wait_for_rows(1)
        postgres.stop("immediate")
        pooled.publish(published[2000:])
        worker.wait_for(lambda w: any("attempt 1 failed" in message for message in w.messages()))
        postgres.start()
        pooled.wait_for_rows(len(published))
        assert worker.terminate()[0] == 0
        assert worker.messages("ERROR", "CRITICAL") == []
    assert pooled.dead_letters(0) == []
    pooled.assert_exact(published)


def test_commands_work_behind_a_pooler(pooled: Pooled, pgbouncer: PgBouncer, empty_database: str) -> None:
    pooled.publish([body(template_name="nobody-knows")])
    with pooled.worker() as worker, pooled.command("run", "dead-letters") as dead_letters:
        worker.wait_for(lambda w: w.totals.get("dead-lettered"))
        dead_letters.wait_for(lambda w: w.totals.get("written"))
    for arguments in (
        ["migrate"],
        ["verify"],
        ["verify", "--statistics"],
        ["rebuild-statistics"],
        ["partitions"],
        ["dead-letters", "list"],
        ["dead-letters", "summary"],
        ["dead-letters", "replay"],
        ["guardrails", "list"],
        ["doctor"],
    ):
        ended = run(pooled, *arguments)
        failed = [line for line in ended.stdout.splitlines() if not line.startswith("ok ")]
        assert ended.returncode == 0, (arguments, failed, ended.stderr)
    pooled.pooler = pgbouncer.url_of(empty_database)
    for arguments in (["migrate"], ["verify"]):
        ended = run(pooled, *arguments)
        assert ended.returncode == 0, (arguments, ended)
