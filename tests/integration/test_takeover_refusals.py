"""What a takeover cannot bring to the contract is refused before anything is changed, with what to do."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.catalog import actual
from prompt_schema.errors import MigrationError
from prompt_schema.migrate import migrate
from prompt_schema.statistics import recount
from prompt_schema.takeover.carrying_out import plan_takeover
from prompt_schema.takeover.taking_over import make_plan
from prompt_schema.verify import verify
from prompt_worker.commands.cli import main
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.support.live_shapes import TABLES, TWINS, live_database, url_of

pytestmark = pytest.mark.usefixtures("few_months")

# What stops a takeover: a change, what the refusal says, and how to do what it asks for.
REFUSED = [
    (
        "INSERT INTO prompt_guardrails (name, guardrail_type, severity, action, config) "
        "SELECT name, guardrail_type, severity, action, config FROM prompt_guardrails",
        "several rows with the same name (pii_detection_basic; toxic_content_filter)",
        "DELETE FROM prompt_guardrails a USING prompt_guardrails b WHERE a.name = b.name AND a.id > b.id",
        "ALTER TABLE prompt_guardrails DROP CONSTRAINT prompt_guardrails_name_key",
    ),
    (
        "ALTER TABLE prompt_templates ALTER category TYPE text; "
        "UPDATE prompt_templates SET category = repeat('x', 101) WHERE name = 'unused'",
        "prompt_templates.category is text, expected character varying(100), and rows hold values that do not fit",
        "UPDATE prompt_templates SET category = 'short' WHERE name = 'unused'",
        "DROP VIEW v_template_performance",
    ),
    (
        "ALTER TABLE prompt_executions ALTER token_count TYPE bigint; "
        "UPDATE prompt_executions SET token_count = 3000000000",
        "prompt_executions.token_count is bigint, expected integer, and rows hold values that do not fit",
        "UPDATE prompt_executions SET token_count = 30",
        "",
    ),
    (
        "UPDATE prompt_executions SET rendered_prompt = NULL",
        "prompt_executions.rendered_prompt is empty in rows",
        "UPDATE prompt_executions SET rendered_prompt = ''",
        "ALTER TABLE prompt_executions ALTER rendered_prompt DROP NOT NULL",
    ),
    (
        "CREATE TABLE guardrail_violations (id integer)",
        "guardrail_violations is there already and is none of prompt-worker's",
        "ALTER TABLE guardrail_violations RENAME TO their_violations",
        "",
    ),
    (
        "CREATE FUNCTION count_too() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE prompt_templates SET "
        "total_executions = total_executions + 1 WHERE id = NEW.template_id; RETURN NEW; END $$",
        "the trigger counting_too on prompt_executions writes counters, which would then count twice",
        "DROP TRIGGER counting_too ON prompt_executions",
        "CREATE TRIGGER counting_too AFTER INSERT ON prompt_executions FOR EACH ROW EXECUTE FUNCTION count_too()",
    ),
    (
        "CREATE MATERIALIZED VIEW their_report AS SELECT date_trunc('day', executed_at) FROM prompt_executions",
        "materialized view their_report depends on prompt_executions.executed_at",
        "DROP MATERIALIZED VIEW their_report",
        "",
    ),
    (
        "CREATE INDEX their_days ON prompt_executions (date_trunc('day', executed_at))",
        "index their_days depends on prompt_executions.executed_at",
        "DROP INDEX their_days",
        "",
    ),
    (
        "ALTER TABLE prompt_executions ENABLE ROW LEVEL SECURITY",
        "prompt_executions has row-level security",
        "ALTER TABLE prompt_executions DISABLE ROW LEVEL SECURITY",
        "",
    ),
    (
        "ALTER TABLE prompt_executions ADD tenant integer NOT NULL DEFAULT 1; "
        "ALTER TABLE prompt_executions ALTER tenant DROP DEFAULT",
        "prompt_executions has a column tenant of its own that every row needs",
        "ALTER TABLE prompt_executions ALTER tenant SET DEFAULT 1",
        "",
    ),
    (
        "ALTER TABLE prompt_guardrails ADD PRIMARY KEY (id, name)",
        "prompt_guardrails has prompt_guardrails_pkey, which is not PRIMARY KEY (id)",
        "ALTER TABLE prompt_guardrails DROP CONSTRAINT prompt_guardrails_pkey",
        "ALTER TABLE prompt_guardrails DROP CONSTRAINT prompt_guardrails_pkey",
    ),
    (
        "ALTER TABLE prompt_executions ADD cost_usd numeric GENERATED ALWAYS AS (1) STORED",
        "prompt_executions.cost_usd is computed by the database",
        "ALTER TABLE prompt_executions ALTER cost_usd DROP EXPRESSION",
        "ALTER TABLE prompt_executions DROP cost_usd",
    ),
    (
        "ALTER TABLE prompt_executions DROP input_variables",
        "prompt_executions lacks the column input_variables, and its rows need a value for it",
        "ALTER TABLE prompt_executions ADD input_variables jsonb DEFAULT '{}'",
        "",
    ),
    (
        "ALTER TABLE prompt_executions ALTER request_id TYPE text",
        "prompt_executions.request_id is text, expected uuid",
        "ALTER TABLE prompt_executions ALTER request_id TYPE uuid USING request_id::uuid",
        "DROP VIEW v_recent_execution_errors",
    ),
    (
        "ALTER TABLE prompt_executions ADD attempt text",
        "prompt_executions.attempt is text, expected integer",
        "ALTER TABLE prompt_executions ALTER attempt TYPE integer USING attempt::integer",
        "",
    ),
    (
        "ALTER TABLE prompt_executions ADD service text; UPDATE prompt_executions SET service = repeat('s', 101)",
        "prompt_executions.service is text, expected character varying(100), and rows hold values that do not fit",
        "UPDATE prompt_executions SET service = 's'",
        "",
    ),
    (
        "DELETE FROM prompt_templates WHERE id IN (SELECT control_template_id FROM ab_test_experiments)",
        "experiments name a control template that is gone (ended, running)",
        "DELETE FROM ab_test_experiments",
        "ALTER TABLE ab_test_experiments DROP CONSTRAINT ab_test_experiments_control_template_id_fkey",
    ),
]


@pytest.mark.parametrize(
    ("change", "said", "remedy", "before"), REFUSED, ids=[said[:40] for _, said, _, _ in REFUSED]
)
def test_refusal_changes_nothing_and_its_remedy_works(
    live: Engine, change: str, said: str, remedy: str, before: str
) -> None:
    first, second = (change, before) if "counting_too" in before else (before, change)
    for sql in filter(None, (first, second)):
        run_script(live, sql)
    there = snapshot(live)
    assert any(said in refusal for refusal in plan_takeover(live).refusals)
    with pytest.raises(MigrationError, match=re.escape(said)):
        migrate(live)
    assert snapshot(live) == there
    run_script(live, remedy)
    migrate(live)
    assert [check for check in verify(live) if not check.ok] == []
    assert recount(live) == []


def test_plan_names_every_change_and_makes_none(live: Engine) -> None:
    run_script(
        live,
        "DROP INDEX idx_prompt_templates_active;"
        f"ALTER TABLE prompt_guardrails ALTER is_active DROP DEFAULT; {TWINS}",
    )
    there = snapshot(live)
    lines = list(plan_takeover(live).lines())
    assert snapshot(live) == there
    assert any("two templates are unused version 1" in line for line in lines)
    assert any(
        "prompt_templates lacks UNIQUE (name, version): added (locks prompt_templates" in line
        for line in lines
    )
    assert any("the default of prompt_guardrails.is_active is missing: made true" in line for line in lines)


def test_login_that_may_not_make_roles_is_told_before(live: Engine, postgres: Postgres) -> None:
    login = f"owner_{uuid4().hex[:8]}"
    rows(live, f"CREATE ROLE {login} LOGIN")
    try:
        with live.connect() as connection:
            for table in (*TABLES, "schema_migrations"):
                connection.exec_driver_sql(f"ALTER TABLE {table} OWNER TO {login}")
            connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {login}")
            connection.commit()
            cursor = connection.connection.cursor()
            cursor.execute(f"SET ROLE {login}")
            plan = make_plan(cursor)  # type: ignore[arg-type]
            cursor.execute("RESET ROLE")
        missing = scalar(live, "SELECT count(*) < 5 FROM pg_roles WHERE rolname LIKE 'prompt\\_%'")
        assert any("roles are missing" in refusal for refusal in plan.refusals) == missing
    finally:
        rows(live, f"REASSIGN OWNED BY {login} TO CURRENT_USER")
        rows(live, f"DROP OWNED BY {login}")
        rows(live, f"DROP ROLE {login}")


def test_database_that_is_not_utf8_is_refused(postgres: Postgres) -> None:
    name = f"latin_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        engine = connect(url_of(postgres, name), application_name="test", any_encoding=True)
        run_script(engine, live_database(200))
        with pytest.raises(MigrationError, match="encoding is LATIN1, which cannot hold every prompt"):
            migrate(engine)
        engine.dispose()
        connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def snapshot(engine: Engine) -> tuple[Any, ...]:
    """All that a takeover could change."""
    with engine.connect() as connection:
        catalog = actual(connection)
    counted = rows(
        engine, "SELECT (SELECT count(*) FROM prompt_executions), (SELECT count(*) FROM prompt_templates)"
    )
    return catalog, counted, rows(engine, "SELECT version FROM schema_migrations")


def test_command_prints_the_plan_and_changes_nothing(
    live: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL", live.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    )
    there = snapshot(live)
    assert main(["migrate", "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "takeover, change: prompt_templates lacks UNIQUE (name, version): added" in printed
    assert "migration 0002_time_zones_and_views.sql" in printed
    run_script(live, "CREATE VIEW their_report AS SELECT executed_at FROM prompt_executions")
    assert main(["migrate", "--plan"]) == 1
    assert (
        "takeover, stops: view their_report depends on prompt_executions.executed_at"
        in capsys.readouterr().out
    )
    run_script(live, "DROP VIEW their_report")
    assert snapshot(live) == there
    assert main(["migrate"]) == 0
    capsys.readouterr()
    assert main(["migrate", "--plan"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
