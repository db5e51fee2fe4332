"""A migration outside a transaction: each statement on its own, again after an interruption, recorded last."""

from __future__ import annotations

import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.errors import MigrationError
from prompt_schema.migrate import MIGRATIONS, migrate, pending, plan, read
from prompt_worker.platform.postgres.engine import connect
from tests.support.pipeline import wait_until
from tests.support.warm import WarmProcess

NEXT = f"{len(read()) + 1:04}_beside_writers.sql"
SCRIPT = """-- An index of its own, built beside writers.
-- outside a transaction

-- the table
CREATE TABLE IF NOT EXISTS public.numbers (n integer);
-- the index
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_numbers ON public.numbers (n);
-- the rows
DO $$ BEGIN FOR i IN 1..3 LOOP INSERT INTO public.numbers VALUES (i) ON CONFLICT DO NOTHING; COMMIT; END LOOP; END $$;
"""
RUNNER = """
import sys
from pathlib import Path
from prompt_schema.migrate import migrate
from prompt_worker.platform.postgres.engine import connect
migrate(connect(sys.argv[1], application_name="killed"), lambda line: print(line, flush=True), Path(sys.argv[2]))
"""
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_numbers')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations and one more."""
    copy = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    (copy / NEXT).write_text(SCRIPT)
    return copy


def is_right(engine: Engine, folder: Path) -> bool:
    return (
        pending(engine, read(folder)) == []
        and rows(engine, VALID) == [(True,)]
        and rows(engine, "SELECT n FROM numbers ORDER BY n") == [(1,), (2,), (3,)]
    )


def test_outside_migration_reports_each_step_and_is_recorded(engine: Engine, folder: Path) -> None:
    lines: list[str] = []
    assert plan(engine, folder).steps == {NEXT: ["the table", "the index", "the rows"]}
    assert migrate(engine, lines.append, folder) == ["beside_writers"]
    assert lines == [
        f"{NEXT}, step 1 of 3: the table",
        f"{NEXT}, step 2 of 3: the index",
        f"{NEXT}, step 3 of 3: the rows",
        f"applied {NEXT}: An index of its own, built beside writers.",
    ]
    assert is_right(engine, folder)
    assert migrate(engine, lines.append, folder) == []


def test_failed_step_keeps_those_before_and_is_not_recorded(engine: Engine, folder: Path) -> None:
    file = folder / NEXT
    file.write_text(SCRIPT.replace("VALUES (i)", "VALUES (i / 0)"))
    with pytest.raises(
        MigrationError, match=r"step 3 of 3: division by zero.*What it did so far is kept: migrate again"
    ):
        migrate(engine, folder=folder)
    assert rows(engine, VALID) == [(True,)]
    assert [migration.file for migration in pending(engine, read(folder))] == [NEXT]
    file.write_text(SCRIPT)
    assert migrate(engine, folder=folder) == ["beside_writers"]
    assert is_right(engine, folder)


def test_settings_of_a_step_do_not_stay_with_the_connection(engine: Engine, folder: Path) -> None:
    shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    before = rows(engine, shown)
    migrate(engine, folder=folder)
    assert [rows(engine, shown) for _ in range(3)] == [before] * 3


def test_invalid_index_of_an_earlier_attempt_is_built_again(engine: Engine, folder: Path) -> None:
    run_script(engine, "CREATE TABLE numbers (n integer); INSERT INTO numbers VALUES (1), (1)")
    with pytest.raises(MigrationError, match="could not create unique index"):
        migrate(engine, folder=folder)
    assert rows(engine, VALID) == [(False,)]
    run_script(engine, "DELETE FROM numbers")
    migrate(engine, folder=folder)
    assert is_right(engine, folder)


def test_two_runners_apply_an_outside_migration_once(database: str, folder: Path) -> None:
    def run(_: int) -> list[str]:
        engine = connect(database, application_name="test")
        try:
            return migrate(engine, folder=folder)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(run, range(2))) == [[], ["beside_writers"]]


def test_runner_killed_while_it_builds_is_followed_by_another(
    engine: Engine, database: str, folder: Path
) -> None:
    """Its server process goes on building: the next runner waits for that, and takes what it made."""
    run_script(engine, "CREATE TABLE numbers (n integer)")
    building = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('idx_numbers')"
    with closing(psycopg2.connect(database)) as writer, ThreadPoolExecutor(1) as pool:
        writer.cursor().execute("INSERT INTO numbers VALUES (1)")
        killed = WarmProcess(["-c", RUNNER, database, str(folder)], stdout=subprocess.PIPE)
        # It waits for the writer's transaction, its index is there and not valid.
        wait_until(lambda: scalar(engine, building) == 1, 60, lambda: "no index")
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        following = pool.submit(migrate, engine, lambda _: None, folder)
        with pytest.raises(TimeoutError):
            following.result(timeout=1.5)
        writer.commit()
        assert following.result(timeout=60) == ["beside_writers"]
    assert is_right(engine, folder)
