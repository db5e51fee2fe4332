"""A database that was dumped and restored, also into a newer PostgreSQL, is what it was: verify says so."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.local.servers.postgres import Postgres, embedded_bin_dir
from prompt_worker.platform.postgres.engine import connect
from tests.support.live_shapes import url_of


@pytest.fixture
def newest_postgres(server_of: Callable[[Path | None], Postgres]) -> Postgres:
    return server_of(None)


@pytest.fixture
def targets(newest_postgres: Postgres) -> Iterator[list[Engine]]:
    """Two empty databases of the newest PostgreSQL there is, in which the roles are known."""
    engines = []
    with closing(psycopg2.connect(newest_postgres.url)) as connection:
        connection.autocommit = True
        for _ in range(2):
            name = f"restored_{uuid4().hex[:12]}"
            connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
            engines.append(connect(url_of(newest_postgres, name), application_name="test"))
        yield engines
        for engine in engines:
            engine.dispose()
            connection.cursor().execute(f"DROP DATABASE {engine.url.database} WITH (FORCE)")


def test_restored_database_verifies(engine: Engine, targets: list[Engine], tmp_path: Path) -> None:
    rows(
        engine,
        "INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, "
        "rendered_prompt, status) "
        "SELECT id, name, version, '{}', 'p', 'success' FROM prompt_templates, generate_series(1, 10)",
    )
    # In the default partition, and counted by deltas that nobody has folded.
    rows(
        engine,
        "SET LOCAL prompt_worker.batch = on; INSERT INTO prompt_executions (id, template_id, template_name, "
        "template_version, input_variables, rendered_prompt, status) SELECT gen_random_uuid(), id, name, version, "
        "'{}', 'p', 'failure' FROM prompt_templates, generate_series(1, 10)",
    )
    assert scalar(engine, "SELECT count(*) FROM prompt_template_deltas")
    written = scalar(engine, "SELECT count(*) FROM prompt_executions")
    dump = tmp_path / "dump"
    tools = embedded_bin_dir()
    before = engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    for target in targets:  # a dump of what was restored spells some rules another way again
        after = target.url.render_as_string(hide_password=False).replace("+psycopg2", "")
        subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", before], check=True)
        subprocess.run(
            [tools / "pg_restore", "--clean", "--if-exists", f"--dbname={after}", dump], check=True
        )
        target.dispose()
        assert [check for check in verify(target) if not check.ok] == []
        assert scalar(target, "SELECT sum(total_executions) FROM v_template_performance") == written
        assert recount(target) == []
        before = after
