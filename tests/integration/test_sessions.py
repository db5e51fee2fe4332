"""What a database, a role, the URL or the environment sets for a session does not reach the work, or is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event

from prompt_schema.errors import MigrationError
from prompt_schema.migrate import migrate, plan
from prompt_schema.verify import verify
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.doctor.database import examine_database
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.pinned import PINNED
from prompt_worker.platform.postgres.session import Session
from tests.conftest import execute, url_of
from tests.support.events import body
from tests.support.pipeline import connected

pytestmark = [pytest.mark.usefixtures("warm_checks"), pytest.mark.embedded_only, pytest.mark.all_months]

# Each pinned setting, with a value that is not ours.
OTHERS = {
    "search_path": "pg_catalog",
    "timezone": "Asia/Kathmandu",
    "datestyle": "SQL, DMY",
    "intervalstyle": "iso_8601",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "bytea_output": "escape",
    "extra_float_digits": "-5",
    "transform_null_equals": "on",
    "row_security": "off",
    "xmloption": "document",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
}
OURS = PINNED | {
    "search_path": "public,pg_temp",
    "datestyle": "ISO, MDY",
    "client_encoding": "UTF8",
    "transaction_isolation": "read committed",
    "synchronous_commit": "on",
}


def name_of(database: str) -> str:
    return database.rsplit("/", 1)[1]


def set_for_database(database: str, **values: str) -> None:
    with connected(database) as cursor:
        for name, value in values.items():
            given = value if name in ("search_path", "datestyle") else f"'{value}'"
            cursor.execute(f"ALTER DATABASE {name_of(database)} SET {name} = {given}")


def found(engine: Engine) -> dict[str, str]:
    """What a transaction of the driver's own and one of SQLAlchemy's see."""
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        for _ in range(2):
            cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) AS name", (list(OURS),))
            by_driver = dict(cursor.fetchall())
            connection.commit()
    with engine.connect() as opened:
        by_core = {name: opened.exec_driver_sql(f"SHOW {name}").scalar() for name in OURS}
    assert by_driver == by_core
    path = by_driver["search_path"].replace('"', "").replace(" ", "")
    return by_driver | {"search_path": path}


def assert_written(engine: Engine, database: str) -> None:
    """An event with a test group and characters of no 8-bit encoding arrives as it is."""
    published = body(rendered_prompt="naïve 漢字 \N{GRINNING FACE}", ab_test_group="variant_a", user_id="漢")
    writer = ExecutionWriter(engine, threading.Event())
    assert writer([Message(published, {}, "ack")]) == [Verdict.WRITTEN]
    with connected(database) as cursor:
        cursor.connection.set_client_encoding("UTF8")
        cursor.execute("SELECT rendered_prompt, user_id FROM public.prompt_executions")
        assert cursor.fetchall() == [("naïve 漢字 \N{GRINNING FACE}", "漢")]


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    opened = connect(database, application_name="tests")
    yield opened
    opened.dispose()


@pytest.mark.parametrize("name", OTHERS)
def test_setting_of_the_database_does_not_reach_the_work(database: str, engine: Engine, name: str) -> None:
    set_for_database(database, **{name: OTHERS[name]})
    assert found(engine) == OURS
    assert_written(engine, database)


def test_settings_of_a_role_do_not_reach_the_work(database: str, engine: Engine) -> None:
    role = f"odd_{uuid4().hex[:12]}"
    with connected(database) as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        for name, value in OTHERS.items():
            given = value if name in ("search_path", "datestyle") else f"'{value}'"
            cursor.execute(f"ALTER ROLE {role} SET {name} = {given}")
    odd = connect(database.replace("postgres@", f"{role}@"), application_name="tests")
    assert found(odd) == OURS
    assert_written(odd, database)
    odd.dispose()
    with connected(database) as cursor:
        cursor.execute(f"DROP ROLE {role}")


def test_options_of_the_url_do_not_reach_the_work(database: str) -> None:
    given = "%20".join(
        f"-c%20{name}%3D{value.replace(' ', '')}" for name, value in OTHERS.items() if name != "timezone"
    )
    odd = connect(f"{database}?options={given}&client_encoding=latin1", application_name="tests")
    assert found(odd) == OURS
    assert_written(odd, database)
    odd.dispose()


def test_environment_does_not_reach_the_work(
    database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGTZ", "Asia/Kathmandu")
    monkeypatch.setenv("PGDATESTYLE", "SQL,DMY")
    monkeypatch.setenv("PGOPTIONS", "-c array_nulls=off -c search_path=pg_catalog")
    assert found(engine) == OURS
    assert_written(engine, database)


def test_settings_hold_behind_a_pooler_without_options(database: str, engine: Engine) -> None:
    """PgBouncer drops the startup parameter `options`, and gives each transaction another connection."""

    def drop_options(*arguments: Any) -> None:
        del arguments[3]["options"]

    event.listen(engine, "do_connect", drop_options)
    set_for_database(database, **OTHERS)
    assert found(engine) == OURS
    assert_written(engine, database)
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor("named")
        cursor.execute("SELECT current_setting('array_nulls')")
        assert cursor.fetchall() == [("on",)]
    with closing(engine.raw_connection()) as connection:
        # Nothing is left on the connection that the pooler gives to somebody else.
        plain = connection.dbapi_connection
        assert plain is not None
        plain.autocommit = True
        asking = plain.cursor()
        asking.execute("SHOW array_nulls")
        assert asking.fetchall() == [("off",)]


def test_disabled_triggers_are_refused_by_name(database: str, engine: Engine) -> None:
    set_for_database(database, session_replication_role="replica")
    with pytest.raises(DeploymentError, match="session_replication_role is replica, not origin"):
        Session(engine).server_version()


def test_migrate_and_verify_work_under_any_settings(empty_database: str) -> None:
    set_for_database(empty_database, **OTHERS)
    engine = connect(empty_database, application_name="tests")
    migrate(engine)
    assert [check for check in verify(engine) if not check.ok] == []
    assert_written(engine, empty_database)
    engine.dispose()


@pytest.fixture
def latin_database(postgres: Postgres) -> Iterator[str]:
    name = f"latin_{uuid4().hex[:12]}"
    execute(
        postgres,
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    yield url_of(postgres, name)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def test_empty_database_that_is_not_utf8_is_not_migrated(latin_database: str) -> None:
    engine = connect(latin_database, application_name="tests", any_encoding=True)
    for refuse in (migrate, plan):
        with pytest.raises(MigrationError, match="encoding is LATIN1, which cannot hold every prompt"):
            refuse(engine)  # type: ignore[operator]
    engine.dispose()
    with connected(latin_database) as cursor:
        cursor.execute("SELECT to_regclass('schema_migrations')")
        assert cursor.fetchone() == (None,)


def test_worker_and_doctor_refuse_a_database_that_is_not_utf8(
    latin_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(latin_database, application_name="tests")
    with pytest.raises(DeploymentError, match="server_encoding is LATIN1, not UTF8"):
        ExecutionWriter(engine, threading.Event())([Message(body(), {}, "ack")])
    monkeypatch.setenv("DATABASE_URL", latin_database)
    checks = {check.name: check for check in examine_database()}
    assert "server_encoding is LATIN1" in checks["database reachable"].hint


def test_first_host_that_can_be_written_to_is_chosen(database: str, engine: Engine) -> None:
    port = engine.url.port
    several = database.replace(f"127.0.0.1:{port}", f"127.0.0.1:1,127.0.0.1:{port}")
    assert several != database
    opened = connect(several, application_name="tests")
    assert_written(opened, database)
    opened.dispose()
