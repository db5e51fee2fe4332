"""After a failover the worker writes to the new primary: of several hosts, to the one that accepts it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from prompt_schema.migrate import migrate
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.conftest import FAST, execute
from tests.support.events import bodies
from tests.support.pipeline import Pipeline, connected, wait_until


class Standby(Postgres):
    """A copy of a running primary that follows it."""

    def __init__(self, primary: Postgres) -> None:
        super().__init__(settings=FAST)
        self._primary = primary

    def _initialise(self) -> None:
        command = [
            str(self._programs / "pg_basebackup"),
            f"--dbname={self._primary.url}",
            f"--pgdata={self.data_dir}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ]
        subprocess.run(
            self._account.command(*command) if self._account else command,
            cwd=self.home,
            check=True,
            capture_output=True,
        )


@pytest.fixture
def servers() -> Iterator[list[Postgres]]:
    """Two, migrated; a server that is no primary is one that is read-only."""
    with Postgres(settings=FAST) as first, Postgres(settings=FAST) as second:
        for server in (first, second):
            engine = connect(server.url, application_name="tests")
            migrate(engine)
            engine.dispose()
        yield [first, second]


def set_read_only(server: Postgres, value: str) -> None:
    execute(server, f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    execute(server, "SELECT pg_reload_conf()")


def test_worker_follows_the_primary_to_another_host(servers: list[Postgres], project: str) -> None:
    first, second = servers
    hosts = ",".join(server.url.partition("@")[2].partition("/")[0] for server in servers)
    set_read_only(second, "on")
    before, after = Pipeline(project, first.url, warm=True), Pipeline(project, second.url)
    published, later = bodies(200), bodies(200, seed=1)
    before.publish(published)
    with before.worker(DATABASE_URL=f"postgresql://postgres@{hosts}/postgres") as worker:
        before.wait_for_rows(200)
        set_read_only(first, "on")
        set_read_only(second, "off")
        before.publish(later)
        after.wait_for_rows(200)
        assert worker.terminate()[0] == 0
        assert worker.totals == {"written": 400}
    before.assert_exact(published)
    after.assert_exact(later)
    for opened in (before, after):
        opened.close()


def test_workers_follow_the_primary_through_a_failover_under_load(project: str) -> None:
    with Postgres(settings=FAST) as primary, Standby(primary) as standby:
        engine = connect(primary.url, application_name="test")
        migrate(engine)
        engine.dispose()
        # What is committed is on the standby too.
        with connected(primary.url) as cursor:
            cursor.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            cursor.execute("SELECT pg_reload_conf()")
        both = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres"
        pipeline = Pipeline(project, standby.url, warm=True)
        published = bodies(6000)
        with (
            pipeline.worker(DATABASE_URL=both) as executions,
            pipeline.guardrail_worker(DATABASE_URL=both) as guardrails,
        ):
            workers = (executions, guardrails)
            for start in range(0, 6000, 500):
                pipeline.publish(published[start : start + 500])
                if start == 2500:
                    wait_until(lambda: written(standby) >= 1000, 60, lambda: f"{written(standby)} rows")
                    primary.kill()
                    with connected(standby.url) as cursor:
                        cursor.execute("SELECT pg_promote()")
            pipeline.wait_for_rows(6000, 60)
            pipeline.wait_for_evaluations(6000, 60)
            for worker in workers:
                assert worker.terminate()[0] == 0
        pipeline.assert_exact(published)
        pipeline.close()


def written(server: Postgres) -> int:
    return int(str(execute(server, "SELECT count(*) FROM prompt_executions")[0][0]))
