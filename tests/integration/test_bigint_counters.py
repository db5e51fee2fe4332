"""Counters become bigint under the views that other programs built on them; what cannot be built again stops it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.errors import MigrationError
from prompt_schema.migrate import MIGRATIONS, migrate, read
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies

NAME = "0021_statistics_deltas.sql"
VIEWS = """
    CREATE SCHEMA reports;
    GRANT USAGE ON SCHEMA reports TO {role};
    CREATE VIEW reports.busy WITH (security_barrier = true) AS
        SELECT name, total_executions AS runs FROM v_template_performance WHERE total_executions > 0;
    CREATE VIEW reports.busiest AS SELECT b.name, b.runs, t.failure_count
        FROM reports.busy b JOIN prompt_templates t USING (name) WHERE b.runs = (SELECT max(runs) FROM reports.busy);
    CREATE VIEW reports."of Guardrails" AS SELECT name, violation_count FROM prompt_guardrails;
    COMMENT ON VIEW reports.busy IS 'what runs';
    COMMENT ON COLUMN reports.busy.runs IS 'how often';
    GRANT SELECT ON reports.busy, v_active_ab_tests TO {role} WITH GRANT OPTION;
    GRANT SELECT (name) ON reports.busiest TO {role};
    ALTER VIEW reports."of Guardrails" OWNER TO {role};
"""
# Without the roles of prompts, which later migrations grant our own views to.
STATE = """
    SELECT n.nspname || '.' || c.relname, pg_get_userbyid(c.relowner), c.reloptions,
           regexp_replace(c.relacl::text, ',prompt_(viewer|editor|approver|text_reader)=r/\\w+', '', 'g'),
           obj_description(c.oid, 'pg_class'), col_description(c.oid, 2),
           (SELECT string_agg(attname || attacl::text, ',') FROM pg_attribute
            WHERE attrelid = c.oid AND attacl IS NOT NULL),
           pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname IN ('reports', 'public')
      AND c.relname NOT LIKE '%\\_statistics'
      AND c.relname !~ '^v_(ab_test_(pending|units|arms|audit)|prompt_feedback)$'
    ORDER BY 1
"""


@pytest.fixture
def before(empty_engine: Engine, tmp_path: Path) -> Engine:
    """A database as the version before left it."""
    for migration in read():
        if migration.file < NAME:
            shutil.copy(MIGRATIONS / migration.file, tmp_path)
    migrate(empty_engine, lambda _: None, tmp_path)
    return empty_engine


@pytest.fixture
def role(before: Engine) -> Iterator[str]:
    name = f"reporter_{before.url.database}"
    rows(before, f"CREATE ROLE {name}")
    yield name
    run_script(before, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_other_programs_views_are_built_again_as_they_were(before: Engine, role: str) -> None:
    run_script(before, VIEWS.format(role=role))
    seen = rows(before, STATE)
    migrate(before)
    changed = {"public.v_template_performance", "public.v_active_ab_tests", "public.v_template_recount",
               "public.v_ab_test_recount", "public.v_guardrail_recount"}  # fmt: skip
    after = rows(before, STATE)
    assert [row[:-1] for row in after] == [row[:-1] for row in seen]
    assert [row for row in after if row[0] not in changed] == [row for row in seen if row[0] not in changed]
    assert scalar(before, "SELECT pg_typeof(max(runs))::text FROM reports.busiest") == "bigint"


@pytest.mark.parametrize(
    "more",
    [
        "CREATE MATERIALIZED VIEW reports.kept AS SELECT total_executions FROM prompt_templates",
        "CREATE VIEW reports.kept AS SELECT total_executions FROM prompt_templates; "
        "CREATE RULE nothing AS ON INSERT TO reports.kept DO INSTEAD NOTHING",
        "CREATE VIEW reports.kept AS SELECT total_executions FROM prompt_templates; "
        "ALTER VIEW reports.kept ALTER total_executions SET DEFAULT 3",
        "CREATE VIEW reports.kept AS SELECT failure_count FROM v_template_performance; "
        "CREATE FUNCTION reports.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER t INSTEAD OF INSERT ON reports.kept FOR EACH ROW EXECUTE FUNCTION reports.f()",
    ],
    ids=["materialized", "rule", "default", "trigger"],
)
def test_view_that_is_more_than_a_query_stops_it_by_name(before: Engine, more: str) -> None:
    run_script(before, "CREATE SCHEMA reports; " + more)
    seen = rows(before, STATE)
    with pytest.raises(MigrationError, match=r"reports\.kept .* drop it, migrate again, and create it again"):
        migrate(before)
    assert rows(before, STATE) == seen


def test_function_on_a_view_stops_it_by_name(before: Engine) -> None:
    run_script(
        before,
        "CREATE SCHEMA reports; CREATE FUNCTION reports.total() RETURNS bigint LANGUAGE sql "
        "BEGIN ATOMIC SELECT sum(total_executions) FROM v_template_performance; END",
    )
    with pytest.raises(MigrationError, match=r"reports\.total\(\).*Drop what depends on it, migrate again"):
        migrate(before)


@pytest.mark.embedded_only
def test_template_executed_two_thousand_million_times_counts_on(database: str) -> None:
    engine = connect(database, application_name="tests")
    published = bodies(3)
    run_script(engine, "UPDATE prompt_templates SET total_executions = 2147483647")
    writer = ExecutionWriter(engine, threading.Event())
    assert writer([Message(one, {}, "ack") for one in published]) == [Verdict.WRITTEN] * 3
    assert scalar(engine, "SELECT sum(total_executions - 2147483647) FROM v_template_statistics") == 3
    assert scalar(engine, "SELECT fold_statistics()") is not None
    assert scalar(engine, "SELECT sum(total_executions - 2147483647) FROM prompt_templates") == 3
    engine.dispose()
