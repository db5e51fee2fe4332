"""Killed at any moment, a release is done and in the history, or it is neither."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import closing

import psycopg2
import pytest
from psycopg2.extensions import connection

from prompt_schema.verify import verify
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.pipeline import wait_until
from tests.support.warm import WarmProcess

pytestmark = pytest.mark.embedded_only

# Activates one of two versions after the other, for ever.
RELEASING = """
import sys, psycopg2
opened = psycopg2.connect(sys.argv[1])
while True:
    with opened, opened.cursor() as cursor:
        cursor.execute(
            "UPDATE prompt_templates SET is_active = true WHERE id = ("
            "SELECT id FROM prompt_templates WHERE name = 'hints' AND NOT is_active ORDER BY version LIMIT 1)")
    print("released", flush=True)
"""
OTHERS = """
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
STATE = """
    SELECT (SELECT array_agg(version) FROM prompt_templates WHERE name = 'hints' AND is_active),
           (SELECT version FROM prompt_history WHERE subject = 'hints' AND action = 'activated'
            ORDER BY id DESC LIMIT 1),
           (SELECT revision FROM prompt_registry),
           (SELECT count(*) FROM prompt_history WHERE subject = 'hints' AND action = 'activated')
"""


def ask(database: str, sql: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(database)) as opened, opened, opened.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def two_versions(database: str) -> int:
    """The registry's revision before them; they are not active."""
    ((revision,),) = ask(database, "SELECT revision FROM prompt_registry")
    ask(
        database,
        "INSERT INTO prompt_templates (name, version, template_text) VALUES ('hints', 1, 'a'), ('hints', 2, 'b')",
    )
    assert isinstance(revision, int)
    return revision


def assert_whole(database: str, first: int) -> None:
    ((active, last, revision, activations),) = ask(database, STATE)
    assert active == [last]
    # One for the versions, one for each activation.
    assert revision == first + 1 + activations  # type: ignore[operator]
    engine = connect(database, application_name="test")
    assert [check for check in verify(engine) if not check.ok] == []
    engine.dispose()


def test_release_that_is_killed_is_whole_or_nothing(database: str) -> None:
    first = two_versions(database)
    chance = random.Random(14)
    for _ in range(8):
        with WarmProcess(["-c", RELEASING, database], stdout=subprocess.PIPE) as releasing:
            releasing.stdout.readline()
            time.sleep(chance.uniform(0, 0.1))
            releasing.kill()
        wait_until(lambda: not ask(database, OTHERS), 60, lambda: "its session goes on")
    assert_whole(database, first)


def test_server_killed_between_activation_and_history(database: str, postgres: Postgres) -> None:
    first = two_versions(database)
    ask(database, "UPDATE prompt_templates SET is_active = true WHERE name = 'hints' AND version = 1")
    before = ask(database, STATE)
    # Another program's trigger, which comes before ours: both versions are changed, and nothing is recorded.
    ask(
        database,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
        "CREATE TRIGGER a_waiting AFTER UPDATE ON prompt_templates FOR EACH ROW WHEN (NEW.is_active) "
        "EXECUTE FUNCTION wait()",
    )
    with closing(psycopg2.connect(database, async_=True)) as releasing:
        wait_until(lambda: releasing.poll() == psycopg2.extensions.POLL_OK, 60, lambda: "no connection")
        releasing.cursor().execute(
            "UPDATE prompt_templates SET is_active = true WHERE name = 'hints' AND version = 2"
        )
        pid = releasing.info.backend_pid
        wait_until(lambda: sleeps(database, pid, releasing), 60, lambda: "the trigger does not wait")
        with closing(psycopg2.connect(database)) as another:
            os.kill(pid, signal.SIGKILL)
            # The server answers until it has noticed; then it ends every session, and recovers.
            wait_until(lambda: ended(another), 60, lambda: "the server notices nothing")
    wait_until(lambda: answers(database), 60, lambda: "the server does not come back")
    assert ask(database, STATE) == before
    ask(database, "DROP TRIGGER a_waiting ON prompt_templates")
    ask(database, "UPDATE prompt_templates SET is_active = true WHERE name = 'hints' AND version = 2")
    assert_whole(database, first)
    postgres.kill()
    postgres.start()
    assert_whole(database, first)


def sleeps(database: str, pid: int, releasing: connection) -> bool:
    releasing.poll()
    return ask(database, f"SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}") == [("PgSleep",)]


def ended(opened: connection) -> bool:
    try:
        opened.cursor().execute("SELECT 1")
    except psycopg2.OperationalError:
        return True
    return False


def answers(database: str) -> bool:
    try:
        return bool(ask(database, "SELECT 1"))
    except psycopg2.OperationalError:
        return False
