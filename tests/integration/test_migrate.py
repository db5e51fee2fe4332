"""Migrations: in order, once, one runner at a time, and never a file that was edited, lost or doubled."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine, text

from prompt_schema.errors import MigrationError
from prompt_schema.ledger import is_outside
from prompt_schema.migrate import MIGRATIONS, migrate, pending, read
from prompt_schema.partitions import TABLES
from prompt_schema.verify import verify
from prompt_worker.platform.postgres.engine import connect

pytestmark = pytest.mark.all_months

ALL = [migration.version for migration in read()]
LAST, NEXT, NEXT_BUT_ONE = (f"{len(ALL) + step:04}" for step in range(3))  # numbers of files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, to be tampered with."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


def silent(_: str) -> None:
    pass


def test_empty_database_gets_every_migration_once(empty_engine: Engine) -> None:
    lines: list[str] = []
    assert migrate(empty_engine, lines.append) == ALL
    assert sum(line.startswith("applied ") for line in lines) == len(ALL)
    others = [line.partition(":")[0] for line in lines if not line.startswith("applied ")]
    steps = [of for of in others if ", step " in of]
    assert [of for of in others if of not in steps] == [
        *TABLES,
        *["prompt_executions_default"] * 2,  # its indexes are built
        "prompt_executions",  # and one that another takes the place of is dropped
    ]
    outside = [migration.file for migration in read() if is_outside(migration.sql)]
    assert list(dict.fromkeys(of.partition(",")[0] for of in steps)) == outside
    lines.clear()
    assert migrate(empty_engine, lines.append) == []
    assert lines == []
    assert [check for check in verify(empty_engine) if not check.ok] == []
    assert scalar(empty_engine, "SELECT count(*) FROM schema_migrations WHERE checksum IS NOT NULL") == len(
        ALL
    )


@pytest.mark.parametrize("runners", [2, 8])
def test_concurrent_runners_apply_each_migration_once(empty_database: str, runners: int) -> None:
    with ThreadPoolExecutor(runners) as pool:
        applied = list(pool.map(migrate_at, [empty_database] * runners))
    # The one that came first did all of it.
    assert sorted(applied) == [[]] * (runners - 1) + [ALL]


def migrate_at(url: str) -> list[str]:
    engine = connect(url, application_name="test")
    try:
        return migrate(engine, silent)
    finally:
        engine.dispose()


def test_two_databases_of_a_server_can_be_migrated_at_once(empty_database: str) -> None:
    """The roles belong to the server: whoever makes them first, neither migration fails."""
    name = empty_database.rpartition("/")[2]
    with closing(psycopg2.connect(empty_database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name}_twin TEMPLATE template0")
        try:
            with ThreadPoolExecutor(2) as pool:
                urls = [empty_database, f"{empty_database}_twin"]
                for applied in pool.map(migrate_at, urls):
                    assert applied == ALL
        finally:
            cursor.execute(f"DROP DATABASE {name}_twin WITH (FORCE)")


def test_waiting_runner_outlives_its_connections_timeouts(empty_database: str) -> None:
    """A long migration elsewhere must not fail the runner that waits for it."""
    short = connect(empty_database, application_name="test", statement_timeout_ms=200, lock_timeout_ms=200)
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(empty_database)) as other:
        other.cursor().execute("SELECT pg_advisory_xact_lock(7020100946810383)")
        waiting = pool.submit(migrate, short, silent)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=1.0)
        other.rollback()
        assert waiting.result() == ALL
    short.dispose()


def test_edited_migration_is_refused_by_name(engine: Engine, folder: Path) -> None:
    edited = folder / "0004_indexes.sql"
    edited.write_text(edited.read_text() + "\n-- changed my mind\n")
    with pytest.raises(MigrationError, match=r"0004_indexes\.sql was edited .* new migration"):
        migrate(engine, silent, folder)


def test_gap_in_the_numbers_is_refused(engine: Engine, folder: Path) -> None:
    (folder / "0003_mend_tables.sql").unlink()
    with pytest.raises(MigrationError, match="0003 is missing"):
        migrate(engine, silent, folder)


def test_number_used_twice_is_refused(engine: Engine, folder: Path) -> None:
    (folder / "0003_another.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="0003 is used twice"):
        migrate(engine, silent, folder)


@pytest.mark.parametrize("name", ["10_short.sql", "0010_Upper.sql", "ten.sql"])
def test_migration_file_with_a_wrong_name_is_refused(engine: Engine, folder: Path, name: str) -> None:
    (folder / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match="NNNN_"):
        migrate(engine, silent, folder)


def test_migration_added_in_between_is_refused(engine: Engine, folder: Path) -> None:
    (folder / f"{LAST}_{ALL[-1]}.sql").rename(folder / f"{NEXT}_{ALL[-1]}.sql")
    (folder / f"{LAST}_late.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=rf"{LAST}_late\.sql was never applied .* next free number"):
        migrate(engine, silent, folder)


def test_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    rows(engine, "INSERT INTO schema_migrations (version, checksum) VALUES ('from_the_future', 'abc')")
    with pytest.raises(MigrationError, match="from_the_future"):
        migrate(engine, silent)


def test_other_programs_migrations_in_the_ledger_are_ignored(engine: Engine) -> None:
    rows(engine, "INSERT INTO schema_migrations (version) VALUES ('their_0001')")
    assert migrate(engine, silent) == []


def test_failing_migration_leaves_nothing_and_says_what_failed(engine: Engine, folder: Path) -> None:
    (folder / f"{NEXT}_good.sql").write_text("CREATE TABLE good (id integer);")
    (folder / f"{NEXT_BUT_ONE}_bad.sql").write_text("CREATE TABLE half (id integer);\nSELECT 1 / 0;")
    with pytest.raises(
        MigrationError, match=rf"{NEXT_BUT_ONE}_bad\.sql: division by zero.*Nothing of this migration"
    ):
        migrate(engine, silent, folder)
    assert rows(engine, "SELECT to_regclass('good') IS NOT NULL, to_regclass('half') IS NULL") == [
        (True, True)
    ]
    assert [migration.file for migration in pending(engine, read(folder))] == [f"{NEXT_BUT_ONE}_bad.sql"]

    (folder / f"{NEXT_BUT_ONE}_bad.sql").write_text("CREATE TABLE half (id integer);")
    assert migrate(engine, silent, folder) == ["bad"]


def test_migration_error_quotes_no_row(engine: Engine, folder: Path) -> None:
    (folder / f"{NEXT}_clash.sql").write_text(
        "INSERT INTO prompt_guardrails (name, guardrail_type, severity, action, config) "
        "VALUES ('secret name', 'no such type', 'high', 'warn', '{}');"
    )
    with pytest.raises(MigrationError) as raised:
        migrate(engine, silent, folder)
    assert "check constraint" in str(raised.value)
    assert "secret name" not in str(raised.value)


def test_percent_signs_and_semicolons_reach_the_server_unchanged(engine: Engine, folder: Path) -> None:
    (folder / f"{NEXT}_signs.sql").write_text(
        "-- a; b\nCREATE TABLE signs AS SELECT '100 %s; %(x)s :y {z}' AS sign;"
    )
    migrate(engine, silent, folder)
    assert scalar(engine, "SELECT sign FROM signs") == "100 %s; %(x)s :y {z}"


def test_warnings_of_a_migration_are_reported(engine: Engine, folder: Path) -> None:
    (folder / f"{NEXT}_warns.sql").write_text("-- Warns\nDO $$ BEGIN RAISE WARNING 'look here'; END $$;")
    lines: list[str] = []
    migrate(engine, lines.append, folder)
    assert any("look here" in line for line in lines)


def test_generated_ids_are_version_7_and_ordered_by_time(engine: Engine) -> None:
    run_script(engine, "CREATE TABLE made (id uuid DEFAULT uuid_v7(), nth integer)")
    rows(engine, "INSERT INTO made (nth) VALUES (1)")
    rows(engine, "SELECT pg_sleep(0.005)")
    rows(engine, "INSERT INTO made (nth) VALUES (2)")
    (first,), (second,) = rows(engine, "SELECT id FROM made ORDER BY id")
    assert (first.version, second.version) == (7, 7)
    assert rows(engine, "SELECT nth FROM made ORDER BY id") == [(1,), (2,)]
    milliseconds = scalar(engine, "SELECT extract(epoch FROM now()) * 1000")
    assert abs((second.int >> 80) - int(milliseconds)) < 10_000


def test_user_without_createrole_gets_the_grant_to_ask_for(empty_database: str) -> None:
    name = empty_database.rpartition("/")[2]
    owner = f"owner_{name}"
    with closing(psycopg2.connect(empty_database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE ROLE {owner} LOGIN")
        cursor.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
        # Other databases of this server have made the role: put it aside.
        cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prompt_reader')")
        (there,) = cursor.fetchone() or (False,)
        if there:
            cursor.execute(f"ALTER ROLE prompt_reader RENAME TO prompt_reader_{name}")
        try:
            engine = connect(empty_database.replace("postgres@", f"{owner}@", 1), application_name="test")
            with pytest.raises(
                MigrationError, match=rf"role prompt_reader is missing.*ALTER ROLE {owner} CREATEROLE"
            ):
                migrate(engine, silent)
            cursor.execute(f"ALTER ROLE {owner} CREATEROLE")
            assert migrate(engine, silent) == ALL[ALL.index("roles") :]
            with engine.connect() as granted:
                assert granted.scalar(
                    text("SELECT has_table_privilege('prompt_reader', 'prompt_templates', 'SELECT')")
                )
            engine.dispose()
        finally:
            cursor.execute(f"ALTER DATABASE {name} OWNER TO postgres")
            cursor.execute(f"REASSIGN OWNED BY {owner} TO postgres")
            cursor.execute(f"DROP OWNED BY {owner}")
            if there:
                cursor.execute("DROP OWNED BY prompt_reader")
                cursor.execute("DROP ROLE IF EXISTS prompt_reader")
                cursor.execute(f"ALTER ROLE prompt_reader_{name} RENAME TO prompt_reader")
            cursor.execute(f"DROP ROLE {owner}")
