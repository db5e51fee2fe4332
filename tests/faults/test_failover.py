"""After a failover the worker writes to the new primary: of several hosts, to the one that accepts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prompt_schema.migrate import migrate
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.conftest import FAST, execute
from tests.support.events import bodies
from tests.support.pipeline import Pipeline


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
    before, after = Pipeline(project, first.url), Pipeline(project, second.url)
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
