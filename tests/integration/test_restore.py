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
    release(engine)
    registry = rows(engine, "SELECT * FROM prompt_registry")
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
        assert recount(target) == []
        assert rows(target, "SELECT * FROM prompt_registry") == registry
        before = after
    # The chain goes on in what was restored, under a new epoch.
    rows(targets[-1], "UPDATE prompt_registry SET epoch = epoch + 1")
    rows(targets[-1], "UPDATE prompt_templates SET is_active = NOT is_active")
    assert [check for check in verify(targets[-1]) if not check.ok] == []


def release(engine: Engine) -> None:
    """A version with a translation and a label, blocked and in an experiment: what the history has of all kinds."""
    for statement in (
        "INSERT INTO prompt_templates (name, version, template_text, model_config, is_active) "
        "VALUES ('hints', NULL, 'a', '{\"temperature\": 0.10}', true), ('hints', NULL, 'b', '{}', false)",
        "INSERT INTO prompt_translations (template_id, language, template_text) "
        "SELECT id, 'de', 'ü' FROM prompt_templates WHERE template_text = 'b'",
        "INSERT INTO prompt_labels (name, label, template_id) "
        "SELECT name, 'staging', id FROM prompt_templates WHERE template_text = 'b'",
        'UPDATE prompt_names SET blocked_reason = \'x\', rules = \'[{"when": {"grade": 1.0}, "version": 1}]\'',
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric, confidence_level) SELECT 'e', name, 'active', id, '{}', "
        "'{\"control\": 33.30}', '-', 0.1 + 0.2 FROM prompt_templates WHERE template_text = 'a'",
    ):
        rows(engine, statement)
