"""A table with rows becomes partitioned without moving one, and what others built on it goes on; or nothing changes."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.errors import MigrationError
from prompt_schema.migrate import MIGRATIONS, migrate, plan, read
from prompt_schema.script import split
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.uuid7 import uuid7
from tests.support.events import body
from tests.support.timing import LATE
from tests.support.warm import WarmProcess

NAME = "0023_partitions.sql"
INSERT = """
    INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables,
        rendered_prompt, status)
    SELECT gen_random_uuid(), id, name, version, '{}', 'p', 'success'
    FROM (SELECT * FROM prompt_templates ORDER BY name LIMIT 1) t, generate_series(1, %d);
"""
RUNNER = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'killed runner' AND datname = current_database() AND query ~ 'evaluations in partitions'"
)
CONNECTED = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'killed runner' AND datname = current_database()"
)
FILES = "SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE relname LIKE :like ORDER BY 1"
# All that a conversion could change, but for what this migration adds.
STATE = """
    SELECT c.oid, c.relname, c.relkind, c.relacl::text, pg_get_userbyid(c.relowner) FROM pg_class c
    WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'theirs')) ORDER BY 1
"""
THEIRS = """
    CREATE SCHEMA theirs;
    GRANT USAGE ON SCHEMA theirs TO {role};
    CREATE VIEW theirs.failed WITH (security_barrier = true) AS
        SELECT id, error_type FROM prompt_executions WHERE status = 'failure';
    CREATE VIEW theirs.kinds AS SELECT error_type, count(*) FROM theirs.failed GROUP BY 1;
    CREATE VIEW theirs.checked AS SELECT e.id, g.outcome FROM prompt_executions e
        JOIN guardrail_evaluations g ON g.event_id = e.id;
    COMMENT ON VIEW theirs.failed IS 'what fails';
    GRANT SELECT ON theirs.failed TO {role} WITH GRANT OPTION;
    ALTER VIEW theirs.checked OWNER TO {role};
    GRANT SELECT, DELETE ON prompt_executions TO {role};
    GRANT UPDATE (status) ON prompt_executions TO {role};
    CREATE TABLE theirs.seen (id uuid, at text);
    CREATE FUNCTION theirs.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN INSERT INTO theirs.seen VALUES (NEW.id, TG_OP); RETURN NEW; END $$;
    CREATE FUNCTION theirs.count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN INSERT INTO theirs.seen SELECT id, 'statement' FROM added; RETURN NULL; END $$;
    CREATE TRIGGER see BEFORE INSERT ON prompt_executions FOR EACH ROW EXECUTE FUNCTION theirs.see();
    CREATE TRIGGER count AFTER INSERT ON prompt_executions REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION theirs.count();
    ALTER TABLE prompt_executions ENABLE ALWAYS TRIGGER count;
    CREATE TABLE theirs.rated (execution_id uuid REFERENCES prompt_executions ON DELETE CASCADE, stars integer);
    CREATE INDEX days ON prompt_executions ((executed_at AT TIME ZONE 'UTC'));
    CREATE PUBLICATION theirs_{role} FOR TABLE prompt_executions (id, status) WHERE (status = 'failure');
    ALTER TABLE prompt_executions SET (autovacuum_vacuum_scale_factor = 0.01);
"""
# Without the roles of prompts, which later migrations grant our own views to.
VIEWS = """
    SELECT c.relname, pg_get_userbyid(c.relowner), c.reloptions,
           regexp_replace(c.relacl::text, ',prompt_(viewer|editor|approver|text_reader)=r/\\w+', '', 'g'),
           obj_description(c.oid, 'pg_class'), pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname IN ('theirs', 'public')
      AND c.relname !~ '^v_(ab_test_(units|arms|audit)|prompt_feedback)$' ORDER BY 1
"""


@pytest.fixture
def before(empty_engine: Engine, tmp_path: Path) -> Engine:
    """A database as the version before left it."""
    for migration in read():
        if migration.file < NAME:
            shutil.copy(MIGRATIONS / migration.file, tmp_path)
    migrate(empty_engine, lambda _: None, tmp_path)
    # Random, but in no month, so that none has to move.
    run_script(
        empty_engine,
        INSERT.replace("gen_random_uuid()", "overlay(gen_random_uuid()::text PLACING 'f' FROM 1)::uuid")
        % 1000,
    )
    return empty_engine


@pytest.fixture
def role(before: Engine) -> Iterator[str]:
    name = f"reporter_{before.url.database}"
    rows(before, f"CREATE ROLE {name}")
    yield name
    run_script(before, f"DROP OWNED BY {name}; DROP ROLE {name}")


def files(engine: Engine, like: str) -> list[int]:
    # Another index takes the place of that of experiments later.
    return sorted(
        number for name, number in rows(engine, FILES, like=like) if number and "ab_test" not in name
    )


def test_no_row_and_no_index_is_written_again(before: Engine) -> None:
    old = files(before, "%prompt_executions%")
    placed = rows(before, "SELECT id, ctid FROM prompt_executions ORDER BY id")
    migrate(before)
    assert set(old) <= set(files(before, "%prompt_executions%_default"))
    assert rows(before, "SELECT id, ctid FROM prompt_executions_default ORDER BY id") == placed
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 1000
    assert [check for check in verify(before) if not check.ok] == []
    assert recount(before) == []
    assert migrate(before) == []


def test_what_others_built_goes_on(before: Engine, role: str) -> None:
    run_script(before, THEIRS.format(role=role))
    seen = rows(before, VIEWS)
    assert plan(before).obstacles == []
    migrate(before)
    after = rows(before, VIEWS)
    assert [row[:-1] for row in after] == [row[:-1] for row in seen]
    # PostgreSQL spells some rules another way once they were read again; none of these.
    assert [row for row in after if not row[0].startswith("v_")] == [
        row for row in seen if not row[0].startswith("v_")
    ]
    run_script(
        before,
        "TRUNCATE theirs.seen; "
        + INSERT % 2
        + INSERT.replace("gen_random_uuid()", "uuid_v7()") % 3
        # As a worker, past the table.
        + "CREATE TABLE theirs.copy AS SELECT * FROM prompt_executions ORDER BY id LIMIT 1;"
        "UPDATE theirs.copy SET id = lowest_id(date_trunc('month', now() + interval '3 months'));",
    )
    leaf = scalar(
        before, "SELECT partition_name('prompt_executions', (now() + interval '3 months')::date)::text"
    )
    run_script(before, f"INSERT INTO {leaf} SELECT * FROM theirs.copy")
    assert rows(before, "SELECT at, count(*) FROM theirs.seen GROUP BY 1 ORDER BY 1") == [
        ("INSERT", 6),
        ("statement", 6),
    ]
    for right in ("SELECT", "DELETE"):
        assert scalar(before, f"SELECT has_table_privilege('{role}', 'prompt_executions', '{right}')")
    assert scalar(before, f"SELECT has_column_privilege('{role}', 'prompt_executions', 'status', 'UPDATE')")
    published = rows(
        before,
        "SELECT t.tablename, t.attnames::text, t.rowfilter, pubviaroot FROM pg_publication_tables t "
        f"JOIN pg_publication USING (pubname) WHERE pubname = 'theirs_{role}'",
    )
    assert [(name, columns, via) for name, columns, _, via in published] == [
        ("prompt_executions", "{id,status}", True)
    ]
    assert "failure" in published[0][2]
    with pytest.raises(Exception, match="foreign key"):
        rows(before, "INSERT INTO theirs.rated VALUES (gen_random_uuid(), 5)")
    rows(before, "INSERT INTO theirs.rated SELECT id, 5 FROM prompt_executions LIMIT 5")
    assert "autovacuum_vacuum_scale_factor=0.01" in str(
        scalar(before, f"SELECT reloptions FROM pg_class WHERE oid = '{leaf}'::regclass")
    )
    assert scalar(
        before,
        f"SELECT count(*) FROM pg_index WHERE indrelid = '{leaf}'::regclass AND pg_get_indexdef(indexrelid) ~ 'UTC'",
    )
    assert [check for check in verify(before) if not check.ok] == []


def test_rows_that_others_refer_to_move_with_their_months(before: Engine) -> None:
    run_script(
        before,
        "CREATE TABLE rated (execution_id uuid REFERENCES prompt_executions ON DELETE CASCADE);"
        "CREATE TABLE kept (execution_id uuid REFERENCES prompt_executions);"
        + INSERT.replace("gen_random_uuid()", "lowest(n)").replace("1, %d)", "1, 5) n")
        .replace("lowest(n)", "(lpad(to_hex((extract(epoch FROM now() + n * interval '40 days') * 1000)::bigint), "
                              "12, '0') || repeat('0', 20))::uuid")
        + "INSERT INTO rated SELECT id FROM prompt_executions; INSERT INTO kept SELECT id FROM prompt_executions",
    )  # fmt: skip
    migrate(before)
    assert scalar(before, "SELECT count(*) FROM prompt_executions_default") <= 1000
    assert scalar(before, "SELECT count(*) FROM rated") == 1005
    assert scalar(before, "SELECT count(*) FROM prompt_executions JOIN kept ON id = execution_id") == 1005
    for table in ("rated", "kept"):
        with pytest.raises(Exception, match="foreign key"):
            rows(before, f"INSERT INTO {table} VALUES (gen_random_uuid())")
    assert recount(before) == []


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("CREATE MATERIALIZED VIEW theirs.kept AS SELECT id FROM prompt_executions", r"theirs\.kept"),
        (
            "CREATE VIEW theirs.kept AS SELECT id FROM v_recent_execution_errors; "
            "CREATE RULE nothing AS ON INSERT TO theirs.kept DO INSTEAD NOTHING",
            r"theirs\.kept",
        ),
        ("CREATE UNIQUE INDEX their_requests ON prompt_executions (request_id)", "their_requests"),
        ("CREATE TABLE prompt_executions_default (id integer)", "prompt_executions_default"),
        ("CREATE RULE their_rule AS ON DELETE TO prompt_executions DO INSTEAD NOTHING", "their_rule"),
        ("CREATE POLICY their_policy ON guardrail_evaluations USING (true)", "their_policy"),
        ("CREATE TABLE theirs.heir () INHERITS (prompt_executions)", r"theirs\.heir"),
        (
            "CREATE FUNCTION theirs.of(e prompt_executions) RETURNS text LANGUAGE sql AS 'SELECT e.status'",
            r"theirs\.of",
        ),
        ("CREATE TABLE theirs.box (e prompt_executions)", r"theirs\.box"),
        (
            "CREATE FUNCTION theirs.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
            "CREATE CONSTRAINT TRIGGER their_check AFTER INSERT ON prompt_executions "
            "FOR EACH ROW EXECUTE FUNCTION theirs.f()",
            "their_check",
        ),
        (
            "CREATE FUNCTION theirs.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
            "CREATE TRIGGER their_row AFTER INSERT ON prompt_executions REFERENCING NEW TABLE AS n "
            "FOR EACH ROW EXECUTE FUNCTION theirs.f()",
            "their_row",
        ),
        (
            "CREATE TABLE theirs.parts (id integer) PARTITION BY RANGE (id); "
            "CREATE TABLE theirs.part PARTITION OF theirs.parts DEFAULT; "
            "CREATE PUBLICATION their_news FOR TABLE theirs.parts, prompt_executions",
            "their_news",
        ),
    ],
    ids=["materialized", "rule of a view", "unique", "name", "rule", "policy", "heir", "argument", "column",
         "constraint trigger", "row trigger", "publication"],
)  # fmt: skip
def test_what_cannot_be_made_again_stops_it_by_name(before: Engine, more: str, named: str) -> None:
    run_script(before, "CREATE SCHEMA theirs; " + more)
    seen = rows(before, STATE)
    foreseen = plan(before).obstacles
    assert all(re.search(named, one) for one in foreseen)
    assert foreseen
    with pytest.raises(MigrationError, match=rf"{named}.* Drop it, migrate again, and create it again"):
        migrate(before)
    assert rows(before, STATE) == seen


def test_two_long_names_that_begin_alike_stop_it(before: Engine) -> None:
    long = "their_index_of_executions_by_environment_and_response_time_"
    run_script(
        before, "".join(f"CREATE INDEX {long}{n} ON prompt_executions (environment);" for n in ("a", "b"))
    )
    seen = rows(before, STATE)
    [foreseen] = plan(before).obstacles
    assert f"{long}b on prompt_executions begins with the same 55 characters as {long}a" in foreseen
    with pytest.raises(MigrationError, match="already exists"):
        migrate(before)
    assert rows(before, STATE) == seen


def test_two_conversions_at_once(before: Engine) -> None:
    with ThreadPoolExecutor(2) as runners:
        applied = list(runners.map(lambda _: migrate(before), range(2)))
    assert sorted(map(len, applied)) == [0, len([one for one in read() if one.file >= NAME])]
    assert [check for check in verify(before) if not check.ok] == []


CONVERT = """
import sys
from prompt_schema.migrate import migrate
from prompt_worker.platform.postgres.engine import connect
migrate(connect(sys.argv[1], application_name="killed runner"))
"""


def convert(url: str) -> WarmProcess:
    return WarmProcess(["-c", CONVERT, url], stderr=2)


def test_killed_conversion_changes_nothing(before: Engine) -> None:
    url = before.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    seen = rows(before, STATE)
    with closing(psycopg2.connect(url)) as other, other.cursor() as holding:
        # The migration has locked the executions, and waits.
        holding.execute("LOCK TABLE guardrail_evaluations IN ACCESS SHARE MODE")
        runner = convert(url)
        while not scalar(before, RUNNER + " AND wait_event_type = 'Lock'"):
            time.sleep(0.05)
        runner.kill()
        runner.wait()
    while scalar(before, RUNNER):
        time.sleep(0.05)
    assert rows(before, STATE) == seen
    assert migrate(before)[0] == "partitions"
    assert [check for check in verify(before) if not check.ok] == []


@pytest.mark.embedded_only
@pytest.mark.parametrize("seed", range(2))
def test_conversion_killed_at_any_moment_loses_nothing(before: Engine, seed: int) -> None:
    """Also while months are made whose rows have come already, beside a worker's batches, which come again."""
    url = before.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    run_script(
        before,
        "CREATE TABLE rated (execution_id uuid REFERENCES prompt_executions ON DELETE CASCADE);"
        + INSERT.replace(
            "gen_random_uuid()",
            "(lpad(to_hex((extract(epoch FROM now() + n * interval '1 day') * 1000)::bigint), 12, '0') "
            "|| repeat('0', 20))::uuid",
        ).replace("1, %d)", "1, 600) n")
        + "INSERT INTO rated SELECT id FROM prompt_executions",
    )
    add_later_columns(before)
    handle, chance, done = ExecutionWriter(before, threading.Event()), random.Random(seed), threading.Event()

    def write() -> int:
        number = 0
        while not done.is_set():
            batch = [Message(body(event_id=str(uuid7())), {}, "") for _ in range(20)]
            number += len(batch)
            while batch:
                outcomes = handle(batch)
                batch = [m for m, outcome in zip(batch, outcomes, strict=True) if outcome is Verdict.RETRY]
        return number

    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(write)
        for _ in range(6):
            runner = convert(url)
            while runner.poll() is None and not scalar(before, CONNECTED):
                time.sleep(0.01)
            with suppress(subprocess.TimeoutExpired):
                runner.wait(chance.uniform(0, 1.2))
            runner.kill()
            runner.wait()
        migrate(before)
        done.set()
        written = writing.result(timeout=30)
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 1600 + written
    assert scalar(before, "SELECT count(*) FROM rated JOIN prompt_executions ON id = execution_id") == 1600
    assert [check for check in verify(before) if not check.ok] == []
    assert recount(before) == []


def test_rows_inserted_meanwhile_are_kept_and_counted(before: Engine) -> None:
    done = threading.Event()

    def insert() -> int:
        number = 0
        while not done.is_set():
            run_script(before, INSERT.replace("gen_random_uuid()", "uuid_v7()") % 10)
            number += 10
        return number

    with ThreadPoolExecutor(3) as writers:
        inserted = [writers.submit(insert) for _ in range(3)]
        migrate(before)
        done.set()
        total = sum(one.result() for one in inserted)
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 1000 + total
    assert recount(before) == []


def test_conversion_waits_for_a_reader_and_writers_for_half_a_second(before: Engine) -> None:
    url = before.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as reading, ThreadPoolExecutor(1) as runner:
        reading.cursor().execute("SELECT count(*) FROM prompt_executions")
        migrating = runner.submit(migrate, before)
        slowest = 0.0
        number = 0
        # Until the migration has come to its lock, and asked for it a few times.
        while number < 40 or (slowest <= 0.1 and not migrating.done()):
            started = time.monotonic()
            # Its lock_timeout is 3 seconds.
            run_script(before, INSERT % 1)
            slowest = max(slowest, time.monotonic() - started)
            number += 1
            time.sleep(0.05)
        assert not migrating.done()
        reading.rollback()
        assert migrating.result()[0] == "partitions"
    assert slowest > 0.1, "the migration never waited"
    assert slowest < 2.5 + LATE
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 1000 + number
    assert recount(before) == []


def add_later_columns(engine: Engine) -> None:
    """For the writer of today, which needs those of a later migration; that one finds them there."""
    columns = next(split((MIGRATIONS / "0026_event_fields.sql").read_text()))
    run_script(engine, columns.sql)


def test_redelivery_across_the_conversion_is_a_duplicate(before: Engine) -> None:
    add_later_columns(before)
    handle = ExecutionWriter(before, threading.Event())
    messages = [Message(body(event_id=str(uuid7())), {}, "") for _ in range(20)]
    messages += [Message(body(event_id=str(uuid4())), {}, "") for _ in range(5)]
    assert handle(messages) == [Verdict.WRITTEN] * 25
    migrate(before)
    later = [Message(body(event_id=str(uuid7())), {}, "") for _ in range(5)]
    assert handle([*messages, *later]) == [Verdict.DUPLICATE] * 25 + [Verdict.WRITTEN] * 5
    assert ExecutionWriter(before, threading.Event())([*later, *messages]) == [Verdict.DUPLICATE] * 30
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 1030
    assert recount(before) == []


def test_rule_that_old_rows_break_stays_for_new_rows(before: Engine) -> None:
    run_script(
        before,
        "ALTER TABLE prompt_executions DROP CONSTRAINT prompt_executions_status_check; "
        "UPDATE prompt_executions SET status = 'cached' WHERE id = (SELECT id FROM prompt_executions LIMIT 1); "
        "ALTER TABLE prompt_executions ADD CONSTRAINT prompt_executions_status_check "
        "CHECK (status IN ('success', 'failure', 'partial', 'blocked')) NOT VALID",
    )
    migrate(before)
    assert next(check.hint for check in verify(before) if not check.ok).startswith("holds for new rows only")
    with pytest.raises(Exception, match="status_check"):
        run_script(before, INSERT.replace("'success'", "'cached'") % 1)
