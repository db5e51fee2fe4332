"""A migration asks for its locks shortly and again later: a writer never queues behind it for long."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

import prompt_schema.waiting
from prompt_schema.errors import MigrationError
from prompt_schema.migrate import MIGRATIONS, migrate, pending, read
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_schema.waiting import LOCK_TIMEOUT_MS
from prompt_worker.platform.postgres.engine import connect
from tests.support.pipeline import wait_until
from tests.support.timing import LATE

NEXT = f"{len(read()) + 1:04}_alters.sql"
ALTER = "-- Alters\nALTER TABLE prompt_executions ADD COLUMN extra integer;"
# Seconds that a reader keeps the migration waiting: a writer behind it would wait for as long.
HELD = 4.0
# The lock's own time, and what a machine with much to do adds.
LONGEST = LOCK_TIMEOUT_MS / 1000 + 2.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))
    (copy / NEXT).write_text(ALTER)
    return copy


def longest_wait(url: str, stop: threading.Event) -> float:
    """Of an insert that changes nothing, one after the other."""
    longest = 0.0
    with closing(psycopg2.connect(url)) as writer:
        writer.autocommit = True
        while not stop.wait(0.01):
            began = monotonic()
            writer.cursor().execute(
                "INSERT INTO prompt_executions SELECT * FROM prompt_executions WHERE false"
            )
            longest = max(longest, monotonic() - began)
    return longest


def test_writer_hardly_waits_behind_a_migration_that_waits(
    engine: Engine, database: str, folder: Path
) -> None:
    lines: list[str] = []
    stop = threading.Event()
    with (
        ThreadPoolExecutor(2) as pool,
        closing(psycopg2.connect(database, application_name="a long report")) as reading,
    ):
        reading.cursor().execute("SELECT count(*) FROM prompt_executions")
        migrating = pool.submit(migrate, engine, lines.append, folder)
        writing = pool.submit(longest_wait, database, stop)
        with pytest.raises(TimeoutError):
            migrating.result(timeout=HELD)
        reading.rollback()
        assert migrating.result(timeout=30) == ["alters"]
        stop.set()
        assert writing.result() < LONGEST
        pid = reading.info.backend_pid
    # Once, however often it asks.
    waited, applied = lines
    assert waited.startswith(
        f"{NEXT} waits for others' locks; the oldest transaction that holds some: a long report, pid {pid}, on "
    )
    assert applied == f"applied {NEXT}: Alters"


def test_lock_that_is_never_free_ends_the_migration(
    engine: Engine, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompt_schema.waiting, "PATIENCE_S", 1.0)
    with closing(psycopg2.connect(database)) as reading:
        reading.cursor().execute("SELECT count(*) FROM prompt_executions")
        with pytest.raises(
            MigrationError, match=r"lock timeout.*held the table all this time.*Nothing of this"
        ):
            migrate(engine, folder=folder)
    assert [migration.file for migration in pending(engine, read(folder))] == [NEXT]


def test_insert_that_meets_the_migration_is_never_its_deadlock_victim(
    engine: Engine, database: str, folder: Path
) -> None:
    """It holds the executions and wants its template, the migration the other way round: the migration gives up."""
    (folder / NEXT).write_text(f"ALTER TABLE prompt_templates ADD COLUMN extra integer; {ALTER}")
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(database)) as writer:
        cursor = writer.cursor()
        cursor.execute("LOCK TABLE prompt_executions IN ROW EXCLUSIVE MODE")
        migrating = pool.submit(migrate, engine, lambda _: None, folder)
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'prompt_executions'::regclass"
        )
        wait_until(lambda: scalar(engine, waiting), 60, lambda: "it does not wait")
        cursor.execute(
            "UPDATE prompt_templates SET description = 'written' WHERE name = 'nlu_topic_extraction'"
        )
        writer.commit()
        assert migrating.result(timeout=30) == ["alters"]
    assert rows(engine, "SELECT DISTINCT description FROM prompt_templates WHERE description = 'written'")


def test_ledger_is_not_locked_while_a_migration_works(engine: Engine, database: str, folder: Path) -> None:
    """Workers that start, verify and doctor read it."""
    (folder / NEXT).write_text("-- Works\nSELECT pg_sleep(1.5);")
    reader = connect(database, application_name="test", statement_timeout_ms=500)
    with ThreadPoolExecutor(1) as pool:
        migrating = pool.submit(migrate, engine, lambda _: None, folder)
        while not migrating.done():
            assert len(pending(reader, read(folder))) <= 1
        migrating.result()
    reader.dispose()


def test_counters_are_due_until_a_rebuild_has_caught_up(
    live: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prompt_schema.migrate.catch_up", interrupted)
        with pytest.raises(KeyboardInterrupt):
            migrate(live)
    assert "counters count what a takeover found" in [check.name for check in verify(live) if not check.ok]
    with pytest.raises(MigrationError, match="run 'prompt-worker migrate' again"):
        recount(live)
    lines: list[str] = []
    assert migrate(live, lines.append) == []
    assert any("recounted from the rows" in line for line in lines)
    assert [check for check in verify(live) if not check.ok] == []
    assert recount(live) == []


EXPERIMENT = """
    INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids,
        traffic_allocation, primary_metric, actual_start_date)
    SELECT 'e', name, 'active', id, ARRAY[id], '{}', 'm', now() - interval '1 day'
    FROM prompt_templates WHERE name = 'nlu_topic_extraction'
"""
IN_GROUP = """
    INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, input_variables,
        rendered_prompt, status)
    SELECT id, name, version, one_group, '{}', '-', 'success'
    FROM prompt_templates, unnest(ARRAY['control', 'a', 'a', 'b']) one_group WHERE name = 'nlu_topic_extraction'
"""
COUNTED = "SELECT total_executions, control_executions, variant_executions FROM ab_test_experiments"
WRONG = """
    UPDATE ab_test_experiments
    SET total_executions = 77, control_executions = 9, variant_executions = '{"a": 5, "gone": 3}'
"""
REBUILD = "SELECT rebuild_ab_test_statistics(id) FROM ab_test_experiments"


def test_insert_does_not_wait_for_the_recount_of_its_experiment(engine: Engine, database: str) -> None:
    """The recount takes as long as a lock is held here; what is inserted meanwhile is counted once."""
    run_script(engine, f"{EXPERIMENT}; {IN_GROUP}; {WRONG}")
    recount_of = scalar(engine, "SELECT pg_get_viewdef('v_ab_test_recount')")
    run_script(
        engine,
        f"CREATE OR REPLACE VIEW v_ab_test_recount AS SELECT r.* FROM ({recount_of.rstrip(';')}) r, "
        "LATERAL (SELECT pg_advisory_xact_lock_shared(1) WHERE r.id IS NOT NULL OFFSET 0) slow",
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(database)) as holding:
        holding.cursor().execute("SELECT pg_advisory_xact_lock(1)")
        rebuilding = pool.submit(rows, engine, f"SET LOCAL lock_timeout = '30s'; {REBUILD}")
        wait_until(lambda: scalar(engine, waiting), 60, lambda: "no recount")
        # It would fail by its own lock_timeout.
        run_script(engine, IN_GROUP)
        assert not rebuilding.done()
        holding.rollback()
        rebuilding.result(timeout=30)
    assert rows(engine, COUNTED) == [(8, 2, {"a": 4, "b": 2, "gone": 0})]


@pytest.mark.embedded_only
def test_migration_does_not_wait_until_autovacuum_is_done(engine: Engine, folder: Path) -> None:
    """Autovacuum gives way after a second of waiting only: the migration waits where no writer queues behind it."""
    (folder / NEXT).write_text("-- Alters\nALTER TABLE vacuumed ADD COLUMN extra integer;")
    slow = "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_limit = 1"
    run_script(
        engine,
        "CREATE TABLE vacuumed AS SELECT n, repeat('text', 300) FROM generate_series(1, 3000) n; DELETE FROM vacuumed;"
        f"ALTER TABLE vacuumed SET ({slow}, autovacuum_vacuum_cost_delay = 100)",
    )
    with closing(psycopg2.connect(engine.url.set(drivername="postgresql").render_as_string())) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        cursor.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
        cursor.execute("SELECT pg_reload_conf()")
        try:
            vacuuming = "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'vacuumed'::regclass"
            wait_until(lambda: scalar(engine, vacuuming), 60, lambda: "no autovacuum")
            began = monotonic()
            assert migrate(engine, folder=folder) == ["alters"]
            # The vacuum itself takes minutes.
            assert monotonic() - began < 10 + 2 * LATE
        finally:
            cursor.execute("ALTER SYSTEM RESET autovacuum_naptime")
            cursor.execute("SELECT pg_reload_conf()")
