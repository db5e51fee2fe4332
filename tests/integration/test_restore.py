"""A database that was dumped and restored, also into a newer PostgreSQL, is what it was: verify says so."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from queries import rows
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
def target(newest_postgres: Postgres) -> Iterator[Engine]:
    """An empty database of the newest PostgreSQL there is, in which the roles are known."""
    name = f"restored_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(newest_postgres.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0")
        engine = connect(url_of(newest_postgres, name), application_name="test")
        yield engine
        engine.dispose()
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_restored_database_verifies(engine: Engine, target: Engine, tmp_path: Path) -> None:
    rows(
        engine,
        "INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, "
        "rendered_prompt, status) "
        "SELECT id, name, version, '{}', 'p', 'success' FROM prompt_templates, generate_series(1, 10)",
    )
    dump = tmp_path / "dump"
    tools = embedded_bin_dir()
    before = engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    after = target.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    for _ in range(2):  # a dump of what was restored spells some rules another way again
        subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", before], check=True)
        subprocess.run(
            [tools / "pg_restore", "--clean", "--if-exists", f"--dbname={after}", dump], check=True
        )
        target.dispose()
        assert [check for check in verify(target) if not check.ok] == []
        assert recount(target) == []
        before = after
