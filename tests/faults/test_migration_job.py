"""The migration job as it is deployed: run twice, by two builds at once, killed or failing in the middle."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import cursor

from prompt_schema.migrate import MIGRATIONS, migrate, read
from prompt_schema.verify import verify
from prompt_worker.platform.postgres.engine import connect
from tests.support.warm import WarmProcess

ALL = len(read())
# Migrations that are there before the fault.
HALF = 3
ROW = "a prompt that nobody may read"


def start(database: str) -> WarmProcess:
    return WarmProcess(
        ["-m", "prompt_worker", "migrate"],
        env={**os.environ, "DATABASE_URL": database},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(database: str) -> tuple[int, str]:
    """Its exit code, and the last line of what it said."""
    job = start(database)
    printed, complained = job.communicate(timeout=120)
    assert "Traceback" not in complained
    return job.returncode, (printed + complained).splitlines()[-1]


@contextmanager
def session(database: str) -> Iterator[cursor]:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as asking:
        yield asking


def assert_complete(database: str) -> None:
    engine = connect(database, application_name="test")
    assert [check for check in verify(engine) if not check.ok] == []
    engine.dispose()
    assert run(database) == (0, "nothing to do: the database is up to date")


@pytest.fixture
def half_migrated(empty_database: str, tmp_path: Path) -> str:
    for migration in read()[:HALF]:
        shutil.copy(MIGRATIONS / migration.file, tmp_path)
    engine = connect(empty_database, application_name="test")
    migrate(engine, folder=tmp_path)
    engine.dispose()
    return empty_database


def test_two_builds_at_once_migrate_once(empty_database: str) -> None:
    jobs = [start(empty_database), start(empty_database)]
    last_lines = sorted(job.communicate(timeout=120)[0].splitlines()[-1] for job in jobs)
    assert [job.returncode for job in jobs] == [0, 0]
    assert last_lines == [f"{ALL} migrations applied", "nothing to do: the database is up to date"]
    assert_complete(empty_database)


def test_run_after_a_killed_migration_completes_it(half_migrated: str) -> None:
    with session(half_migrated) as other:
        other.execute("LOCK TABLE prompt_executions")  # the next migration waits for it
        job = start(half_migrated)
        wait_until_it_waits(half_migrated)
        job.kill()
        job.communicate()
    assert run(half_migrated) == (0, f"{ALL - HALF} migrations applied")
    assert_complete(half_migrated)


def wait_until_it_waits(database: str) -> None:
    deadline = time.monotonic() + 30
    with session(database) as asking:
        while True:
            asking.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")
            if asking.fetchone() != (0,):
                return
            assert time.monotonic() < deadline, "no migration waits for the table"
            asking.connection.rollback()
            time.sleep(0.05)


def test_failed_migration_keeps_earlier_ones_and_resumes(
    half_migrated: str,
) -> None:
    with session(half_migrated) as other:
        other.execute("CREATE TABLE guardrail_evaluations (text text)")
        other.execute("INSERT INTO guardrail_evaluations VALUES (%s)", (ROW,))
        other.connection.commit()
    code, said = run(half_migrated)
    assert code == 1
    assert "0010_guardrail_violations.sql" in said
    assert "already exists" in said
    assert "Nothing of this migration was kept" in said
    assert ROW not in said
    with session(half_migrated) as other:
        other.execute("SELECT count(*) FROM schema_migrations WHERE checksum IS NOT NULL")
        assert other.fetchone() == (9,)
        other.execute("DROP TABLE guardrail_evaluations")
        other.connection.commit()
    assert run(half_migrated) == (0, f"{ALL - 9} migrations applied")
    assert_complete(half_migrated)
