"""A live database of phase 1, live_database.sql, is taken over: no row lost, every fault fixed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from prompt_schema.catalog import actual
from prompt_schema.errors import MigrationError
from prompt_schema.migrate import migrate, read
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect

LIVE = (Path(__file__).parent / "live_database.sql").read_text(encoding="utf-8")
CONTENT = {
    # What must be the same before and after: everything but what the takeover fixes.
    "prompt_executions": "id, template_id, template_name, template_version, ab_test_group, user_id, request_id, "
    "input_variables, rendered_prompt, model_response, execution_time_ms, token_count, cost_usd, error_type, "
    "guardrail_violations, guardrail_action, environment",
    "prompt_templates": "id, name, category, template_text, version, ab_test_group, created_by, updated_by",
    "prompt_guardrails": "id, name, severity, action, config, created_by, updated_by",
    "ab_test_experiments": "id, name, template_name, status, variant_template_ids",
}


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    """By server: its live database, filled once through phase 1's own row triggers."""
    return {}


@pytest.fixture
def live(postgres: Postgres, templates: dict[str, str]) -> Iterator[Engine]:
    """A new copy of a live database with 10,000 executions."""
    copy = f"live_{uuid4().hex[:12]}"
    with closing(psycopg2.connect(postgres.url)) as connection:
        connection.autocommit = True
        if postgres.url not in templates:
            templates[postgres.url] = f"live_template_{uuid4().hex[:12]}"
            connection.cursor().execute(f"CREATE DATABASE {templates[postgres.url]} TEMPLATE template0")
            with closing(
                connect(url_of(postgres, templates[postgres.url]), application_name="test").raw_connection()
            ) as c:
                c.cursor().execute(LIVE)
                c.commit()
                c.detach()
        connection.cursor().execute(
            f"CREATE DATABASE {copy} TEMPLATE {templates[postgres.url]} STRATEGY file_copy"
        )
        engine = connect(url_of(postgres, copy), application_name="test")
        yield engine
        engine.dispose()
        connection.cursor().execute(f"DROP DATABASE {copy} WITH (FORCE)")


def url_of(postgres: Postgres, name: str) -> str:
    return postgres.url.removesuffix("postgres") + name


def silent(_: str) -> None:
    pass


def content(engine: Engine, table: str, columns: str) -> set[tuple[Any, ...]]:
    return {tuple(map(str, row)) for row in rows(engine, f"SELECT {columns} FROM {table}")}


def test_takeover_loses_no_row_and_changes_no_value(live: Engine) -> None:
    before = {table: content(live, table, columns) for table, columns in CONTENT.items()}
    assert len(before["prompt_executions"]) == 10_000
    assert migrate(live, silent) == [migration.version for migration in read()[1:]]
    for table, columns in CONTENT.items():
        assert before[table] <= content(live, table, columns), table
    assert scalar(live, "SELECT count(*) FROM prompt_executions") == 10_000


def test_taken_over_database_verifies_and_recounts_exactly(live: Engine) -> None:
    migrate(live, silent)
    assert [check for check in verify(live) if not check.ok] == []
    assert recount(live) == []
    assert migrate(live, silent) == []


def test_empty_and_live_database_get_the_same_schema(live: Engine, engine: Engine) -> None:
    migrate(live, silent)
    with live.connect() as taken_over, engine.connect() as new:
        assert actual(taken_over) == actual(new)
    for query in (
        # What the catalog of verify leaves out: every default, every function, every setting.
        "SELECT table_name, column_name, ordinal_position, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'public' ORDER BY 1, 3",
        "SELECT proname, md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT relname, relkind::text, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "ORDER BY 1",
    ):
        assert without_months(rows(live, query)) == without_months(rows(engine, query))


def without_months(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A database that is taken over has this month's rows in its default partition, and a new one has a month."""
    return [row for row in found if not re.search(r"_\d{4}_\d{2}(?=_|$)", str(row[0]))]


def test_averages_come_from_the_values_that_are_present(live: Engine) -> None:
    executions = rows(
        live, "SELECT template_id, execution_time_ms, token_count, cost_usd, status FROM prompt_executions"
    )
    drifted = rows(live, "SELECT id, avg_response_time_ms, avg_token_count FROM prompt_templates")
    migrate(live, silent)
    for template, *stored in rows(
        live,
        "SELECT id, total_executions, success_count, failure_count, avg_response_time_ms, avg_token_count, "
        "avg_cost_usd FROM prompt_templates",
    ):
        mine = [execution for execution in executions if execution[0] == template]
        times, tokens, costs = ([e[i] for e in mine if e[i] is not None] for i in (1, 2, 3))
        assert stored == [
            len(mine),
            sum(e[4] == "success" for e in mine),
            sum(e[4] in ("failure", "error") for e in mine),
            sum(times) / len(times) if times else None,
            round(Decimal(sum(tokens)) / len(tokens)) if tokens else None,
            (sum(costs) / len(costs)).quantize(Decimal("0.000001")) if costs else None,
        ]
    # Phase 1's were wrong, or this test shows nothing.
    used = {execution[0] for execution in executions}
    now = {
        row[0]: row[1:]
        for row in rows(live, "SELECT id, avg_response_time_ms, avg_token_count FROM prompt_templates")
    }
    assert all(now[template] != (ms, tokens) for template, ms, tokens in drifted if template in used)


def test_status_error_becomes_failure(live: Engine) -> None:
    failed = scalar(live, "SELECT count(*) FROM prompt_executions WHERE status IN ('failure', 'error')")
    assert scalar(live, "SELECT count(*) FROM prompt_executions WHERE status = 'error'") > 0
    migrate(live, silent)
    assert scalar(live, "SELECT count(*) FROM prompt_executions WHERE status = 'failure'") == failed
    assert scalar(live, "SELECT sum(failure_count) FROM prompt_templates") == failed
    with pytest.raises(DBAPIError, match="status_check"):
        rows(live, "UPDATE prompt_executions SET status = 'error'")


def test_times_keep_their_moments_without_a_table_rewrite(live: Engine) -> None:
    before = rows(live, "SELECT id, executed_at AT TIME ZONE 'UTC' FROM prompt_executions ORDER BY id")
    file = scalar(live, "SELECT pg_relation_filenode('prompt_executions')")
    # Whatever the time zone of whoever migrates.
    rows(live, f"ALTER DATABASE {live.url.database} SET TimeZone = 'Asia/Tokyo'")
    live.dispose()
    migrate(live, silent)
    assert rows(live, "SELECT id, executed_at FROM prompt_executions ORDER BY id") == before
    assert scalar(live, "SELECT pg_relation_filenode('prompt_executions_default')") == file


def test_seed_keeps_its_owners_changes(live: Engine) -> None:
    migrate(live, silent)
    assert rows(live, "SELECT template_text, is_active FROM prompt_templates WHERE name = 'nlu_topic_extraction' "
                "ORDER BY version") == [
        ("Topics of {{ student_query }}, as its owner likes it", False),
        ("Better: {{ student_query }}", True),
    ]  # fmt: skip
    assert rows(live, "SELECT name, severity, action FROM prompt_guardrails ORDER BY name") == [
        ("pii_detection_basic", "high", "warn"),
        ("prompt_injection_detection", "high", "warn"),
        ("toxic_content_filter", "medium", "log"),
    ]


def test_template_with_executions_can_no_longer_be_deleted(live: Engine) -> None:
    migrate(live, silent)
    with pytest.raises(DBAPIError, match="foreign key"):
        rows(live, "DELETE FROM prompt_templates WHERE total_executions > 0")
    assert scalar(live, "SELECT count(*) FROM prompt_executions") == 10_000


def test_newest_of_two_active_versions_stays_active(live: Engine) -> None:
    query = "SELECT version FROM prompt_templates WHERE name = 'activated_twice' AND is_active ORDER BY 1"
    assert rows(live, query) == [(1,), (2,)]
    migrate(live, silent)
    assert rows(live, query) == [(2,)]
    # Versions in a test are untouched by that rule.
    assert rows(live, "SELECT version FROM prompt_templates WHERE name = 'educational_script_generation' "
                "AND is_active ORDER BY 1") == [(1,), (2,)]  # fmt: skip


def test_test_group_may_have_several_inactive_versions(live: Engine) -> None:
    insert = (
        "INSERT INTO prompt_templates (name, template_text, version, ab_test_group) VALUES "
        "('educational_script_generation', '-', 7, 'b'), ('educational_script_generation', '-', 8, 'b')"
    )
    with pytest.raises(DBAPIError, match="unique_active_template"):
        rows(live, insert)
    migrate(live, silent)
    rows(live, insert)


def test_experiments_count_the_rows_of_their_time(live: Engine) -> None:
    migrate(live, silent)
    for start, end, *stored in rows(
        live,
        "SELECT actual_start_date, actual_end_date, total_executions, control_executions, variant_executions "
        "FROM ab_test_experiments",
    ):
        counted = dict(
            rows(
                live,
                "SELECT ab_test_group, count(*) FROM prompt_executions WHERE ab_test_group IS NOT NULL "
                "AND template_name = 'educational_script_generation' "
                "AND executed_at >= :start AND executed_at < coalesce(:end, 'infinity'::timestamptz) GROUP BY 1",
                start=start,
                end=end,
            )
        )
        control = counted.pop("control")
        assert stored == [control + sum(counted.values()), control, counted]
    # The one that had ended without a date has one.
    assert scalar(live, "SELECT count(*) FROM ab_test_experiments WHERE actual_end_date IS NOT NULL") == 1


def test_grants_on_a_view_survive_the_takeover(live: Engine) -> None:
    role = f"dashboard_{live.url.database}"
    rows(live, f"CREATE ROLE {role}")
    rows(live, f"GRANT SELECT ON v_template_performance, prompt_templates TO {role}")
    try:
        migrate(live, silent)
        assert scalar(live, f"SELECT has_table_privilege('{role}', 'v_template_performance', 'SELECT')")
        assert not scalar(
            live, f"SELECT has_table_privilege('{role}', 'v_recent_execution_errors', 'SELECT')"
        )
    finally:
        rows(live, f"DROP OWNED BY {role}")
        rows(live, f"DROP ROLE {role}")


def test_other_programs_view_stops_the_takeover_by_name(live: Engine) -> None:
    rows(live, "CREATE VIEW their_report AS SELECT executed_at FROM prompt_executions")
    with pytest.raises(MigrationError, match="their_report"):
        migrate(live, silent)
    # All is as it was.
    assert scalar(live, "SELECT count(*) FROM v_template_performance") > 0
    rows(live, "DROP VIEW their_report")
    migrate(live, silent)


def test_unknown_old_values_are_kept_and_reported(live: Engine) -> None:
    run_script(
        live,
        "ALTER TABLE prompt_executions DROP CONSTRAINT known_status;"
        "UPDATE prompt_executions SET status = 'cached' WHERE rendered_prompt = 'prompt 1'",
    )
    lines: list[str] = []
    migrate(live, lines.append)
    assert any("prompt_executions.status holds values that are not known" in line for line in lines)
    assert scalar(live, "SELECT count(*) FROM prompt_executions WHERE status = 'cached'") == 1
    (failed,) = [check for check in verify(live) if not check.ok]
    assert "new rows only" in failed.hint
    assert recount(live) == []


def test_inline_violations_are_taken_over_and_counted(live: Engine) -> None:
    summary = (
        "SELECT template_name, guardrail_name, guardrail_type, violation_count, affected_users FROM "
        "v_guardrail_violations_summary ORDER BY 1, 2, 3"
    )
    before = rows(live, summary)
    known = sum(row[3] for row in before if row[1] == "pii_detection_basic")
    assert known > 0
    migrate(live, silent)
    assert rows(live, summary) == before
    assert scalar(live, "SELECT count(*) FROM guardrail_violations") == sum(row[3] for row in before)
    counted = "SELECT total_checks, violation_count FROM prompt_guardrails WHERE name = 'pii_detection_basic'"
    assert rows(live, counted) == [(0, known)]
