"""Live databases that differ from what phase 1 made: one thing at a time, or several at random."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect

TABLES = ("prompt_templates", "prompt_executions", "prompt_guardrails", "ab_test_experiments")
_FILE = Path(__file__).parents[1] / "integration" / "live_database.sql"
_WIDER = {"character varying": "text", "integer": "bigint", "jsonb": "json", "numeric": "double precision"}

TWINS = """
    INSERT INTO prompt_templates (name, template_text, version, ab_test_group, is_active)
    SELECT name, 'another', version, 'twin ' || n, n = 2 FROM prompt_templates, generate_series(1, 2) n
    WHERE name = 'unused'
"""
TEMPLATES_GONE = """
    ALTER TABLE prompt_executions DROP CONSTRAINT IF EXISTS fk_template;
    ALTER TABLE ab_test_experiments DROP CONSTRAINT IF EXISTS ab_test_experiments_control_template_id_fkey;
    DELETE FROM prompt_templates WHERE name = 'nlu_topic_extraction'
"""

Change = tuple[str, list[str]]  # a name, and the statements that make it so


def live_database(executions: int = 10_000) -> str:
    """The SQL of a live database with so many executions, a fifth of them through phase 1's own row triggers."""
    counted = executions // 5
    return (
        _FILE.read_text(encoding="utf-8")
        .replace("live_executions(1, 2000)", f"live_executions(1, {counted})")
        .replace("live_executions(2001, 10000)", f"live_executions({counted + 1}, {executions})")
    )


def single_changes(cursor: cursor) -> list[Change]:
    """Each constraint, index, default, NOT NULL, trigger, view and column of this database: missing, or different."""
    sources = (
        _constraints(cursor),
        _indexes(cursor),
        _columns(cursor),
        _triggers(cursor),
        _views(cursor),
        _rows(),
        _in_the_way(),
    )
    return [(name, [sql]) for source in sources for name, sql in source]


def random_changes(singles: list[Change], number: int, seed: int) -> Iterator[Change]:
    """`number` shapes of three to eight changes each; the same for the same seed."""
    chosen = random.Random(seed)
    for _ in range(number):
        together = chosen.sample(singles, chosen.randint(3, 8))
        yield (
            " + ".join(name for name, _ in together),
            [one for _, statements in together for one in statements],
        )


def _constraints(cursor: cursor) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint "
        "WHERE conrelid::regclass::text = ANY (%s) AND contype IN ('p', 'u', 'f', 'c') ORDER BY 1, 2",
        (list(TABLES),),
    )
    for table, name in cursor.fetchall():
        yield f"no {name}", f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name} CASCADE"


def _indexes(cursor: cursor) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index WHERE indrelid::regclass::text "
        "= ANY (%s) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1, 2",
        (list(TABLES),),
    )
    for table, name in cursor.fetchall():
        yield f"no {name}", f"DROP INDEX IF EXISTS {name}"
        yield (
            f"another {name}",
            f"DROP INDEX IF EXISTS {name}; CREATE INDEX {name} ON {table} (id, created_at)".replace(
                "created_at", "executed_at" if table == "prompt_executions" else "created_at"
            ),
        )


def _columns(cursor: cursor) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT table_name, column_name, data_type, is_nullable = 'NO', column_default FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = ANY (%s) ORDER BY table_name, ordinal_position",
        (list(TABLES),),
    )
    for table, name, type_, required, default in cursor.fetchall():
        alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
        if default:
            yield f"no default of {table}.{name}", f"{alter} DROP DEFAULT"
        if required and name != "id":
            yield f"{table}.{name} optional", f"{alter} DROP NOT NULL"
        elif not default and name not in ("executed_at", "user_id", "status"):
            yield f"no {table}.{name}", f"ALTER TABLE {table} DROP COLUMN IF EXISTS {name} CASCADE"
        if wider := _WIDER.get(type_):
            default_off = f"{alter} DROP DEFAULT; " if default else ""
            yield (
                f"{table}.{name} {wider}",
                "DROP VIEW IF EXISTS v_template_performance, v_recent_execution_errors, "
                f"v_guardrail_violations_summary, v_active_ab_tests; {default_off}{alter} TYPE {wider}",
            )


def _triggers(cursor: cursor) -> Iterator[tuple[str, str]]:
    cursor.execute(
        "SELECT tgrelid::regclass::text, tgname, tgfoid::regprocedure::text FROM pg_trigger "
        "WHERE tgrelid::regclass::text = ANY (%s) AND NOT tgisinternal ORDER BY 1, 2",
        (list(TABLES),),
    )
    for table, name, function in cursor.fetchall():
        yield f"no {name}", f"DROP TRIGGER IF EXISTS {name} ON {table}"
        yield (
            f"{name} off",
            f"DO $$ BEGIN ALTER TABLE {table} DISABLE TRIGGER {name}; EXCEPTION WHEN undefined_object THEN END $$",
        )
        yield f"neither {name} nor {function}", f"DROP FUNCTION IF EXISTS {function} CASCADE"


def _views(cursor: cursor) -> Iterator[tuple[str, str]]:
    cursor.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public' ORDER BY 1")
    for (name,) in cursor.fetchall():
        yield f"no {name}", f"DROP VIEW IF EXISTS {name}"
        yield f"another {name}", f"DROP VIEW IF EXISTS {name}; CREATE VIEW {name} AS SELECT 1 AS one"


def _rows() -> Iterator[tuple[str, str]]:
    yield "two more of one name and version", TWINS
    yield "templates that are gone", TEMPLATES_GONE
    yield (
        "a parent that is gone",
        "ALTER TABLE prompt_templates DROP CONSTRAINT IF EXISTS prompt_templates_parent_version_id_fkey;"
        "UPDATE prompt_templates SET parent_version_id = gen_random_uuid() WHERE name = 'unused'",
    )
    yield (
        "a version that is empty",
        "ALTER TABLE prompt_templates ALTER version DROP NOT NULL;"
        "UPDATE prompt_templates SET version = NULL WHERE name = 'unused'",
    )


def _in_the_way() -> Iterator[tuple[str, str]]:
    yield (
        "functions of our names",
        "CREATE OR REPLACE FUNCTION rebuild_template_statistics(text) RETURNS text LANGUAGE sql AS 'SELECT $1';"
        "CREATE OR REPLACE FUNCTION uuid_v7() RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
    )
    yield (
        "a function of ours in another trigger",
        "CREATE OR REPLACE FUNCTION recount_ab_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE OR REPLACE TRIGGER theirs BEFORE UPDATE ON prompt_guardrails "
        "FOR EACH ROW EXECUTE FUNCTION recount_ab_test()",
    )
    yield (
        "an index of ours",
        "CREATE INDEX IF NOT EXISTS idx_prompt_templates_single_active ON prompt_templates (name)",
    )
    yield (
        "a trigger of ours",
        "CREATE OR REPLACE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE OR REPLACE TRIGGER trigger_end_ab_test BEFORE UPDATE ON ab_test_experiments "
        "FOR EACH ROW EXECUTE FUNCTION nothing()",
    )
    yield (
        "a constraint named as an index of ours",
        "DROP INDEX IF EXISTS idx_prompt_templates_version;"
        "ALTER TABLE prompt_templates ADD CONSTRAINT idx_prompt_templates_version UNIQUE (name, version, id)",
    )
    yield (
        "a column of their own",
        "ALTER TABLE prompt_executions ADD COLUMN IF NOT EXISTS tenant text DEFAULT 'a'",
    )


@contextmanager
def copied(postgres: Postgres, template: str) -> Iterator[Engine]:
    """A copy of the database `template`, dropped at the end."""
    copy = f"live_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {copy} TEMPLATE {template} STRATEGY file_copy")
        engine = connect(url_of(postgres, copy), application_name="test")
        try:
            yield engine
        finally:
            engine.dispose()
            connection.cursor().execute(f"DROP DATABASE {copy} WITH (FORCE)")


def url_of(postgres: Postgres, name: str) -> str:
    return postgres.url.removesuffix("postgres") + name
