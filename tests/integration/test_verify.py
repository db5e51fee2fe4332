"""`verify` finds what is wrong with a database, and each line says what to do."""

from __future__ import annotations

import json
import re

import pytest
from queries import rows, run_script
from sqlalchemy import Engine

from prompt_schema.catalog import actual
from prompt_schema.migrate import MIGRATIONS
from prompt_schema.verify import verify
from prompt_worker.commands.cli import main
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect


def failed(engine: Engine) -> dict[str, str]:
    return {check.name: check.hint for check in verify(engine) if not check.ok}


def test_migrated_database_passes_and_is_left_as_it_was(engine: Engine) -> None:
    content = (
        "SELECT (SELECT count(*) FROM prompt_executions), (SELECT count(*) FROM prompt_templates), "
        "(SELECT count(*) FROM ab_test_experiments), (SELECT sum(total_executions) FROM prompt_templates)"
    )
    before = rows(engine, content)
    checks = list(verify(engine))
    assert [check for check in checks if not check.ok] == []
    assert rows(engine, content) == before
    names = {check.name for check in checks}
    assert {
        "migrations",
        "table prompt_templates",
        "index idx_prompt_executions_errors",
        "trigger trigger_update_template_statistics",
        "view v_active_ab_tests",
        "grants of prompt_reader",
        "grants of PUBLIC",
        "one active version per name, exercised",
    } <= names
    assert len(names) == len(checks)


def test_every_object_of_the_contract_has_a_check(engine: Engine) -> None:
    """The indexes that phase 1 promised by name: other programs query them."""
    names = {check.name for check in verify(engine)}
    contract_indexes = re.findall(
        r"idx_\w+", (MIGRATIONS / "0004_indexes.sql").read_text().partition("CREATE INDEX")[0]
    )
    assert len(contract_indexes) == 16
    assert {f"index {name}" for name in contract_indexes} <= names
    assert sum(name.startswith("table ") for name in names) == 27


def test_empty_database_fails_with_the_command_to_migrate(empty_engine: Engine) -> None:
    (check,) = verify(empty_engine)
    assert not check.ok
    assert check.hint.startswith("not applied: 0001_")
    assert check.hint.endswith("run 'prompt-worker migrate'")


def test_edited_migration_fails_verification(engine: Engine) -> None:
    rows(engine, "UPDATE schema_migrations SET checksum = 'other' WHERE version = 'seeds'")
    assert "0008_seeds.sql was edited" in failed(engine)["migrations"]


@pytest.mark.parametrize(
    ("harm", "line", "hint"),
    [
        (
            "ALTER TABLE prompt_executions DISABLE TRIGGER trigger_update_template_statistics",
            "trigger trigger_update_template_statistics",
            "is disabled; run: ALTER TABLE prompt_executions ENABLE TRIGGER trigger_update_template_statistics",
        ),
        (
            "ALTER TABLE prompt_executions DISABLE TRIGGER trigger_update_template_statistics",
            "template statistics, exercised: null values, duplicates, every status",
            "4 executions were counted as 0",
        ),
        (
            "DROP TRIGGER trigger_update_ab_test_statistics ON prompt_executions",
            "trigger trigger_update_ab_test_statistics",
            "is missing; run: CREATE TRIGGER trigger_update_ab_test_statistics AFTER INSERT",
        ),
        (
            "DROP TRIGGER trigger_update_ab_test_statistics ON prompt_executions",
            "A/B statistics, exercised: groups, dates, late rows, a change of status",
            "3 executions, 1 of control, were counted as 0",
        ),
        (
            "DROP TRIGGER trigger_enforce_single_active_template ON prompt_templates",
            "one active version per name, exercised",
            "idx_prompt_templates_single_active",
        ),
        (
            "DROP TRIGGER trigger_recount_ab_test ON ab_test_experiments",
            "A/B statistics, exercised: groups, dates, late rows, a change of status",
            "is trigger_recount_ab_test in place?",
        ),
        (
            "DROP TRIGGER trigger_count_guardrail_violations ON guardrail_violations",
            "guardrail statistics, exercised: checks, violations, redelivery, false positives",
            "3 violations, one reported twice, were counted as 0",
        ),
        (
            "CREATE OR REPLACE FUNCTION update_template_statistics() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN NULL; END $$",
            "function update_template_statistics()",
            "should be: security definer",
        ),
        (
            "DROP INDEX idx_prompt_executions_user",
            "index idx_prompt_executions_user",
            "is missing; run: CREATE INDEX idx_prompt_executions_user ON",
        ),
        (
            "ALTER TABLE prompt_executions ALTER provider TYPE text",
            "column prompt_executions.provider",
            "is: text; should be: character varying(100)",
        ),
        (
            "ALTER TABLE prompt_templates ALTER name DROP NOT NULL",
            "column prompt_templates.name",
            "should be: character varying(255) not null",
        ),
        (
            "ALTER TABLE prompt_executions DROP COLUMN provider",
            "column prompt_executions.provider",
            "is missing",
        ),
        ("DROP VIEW v_active_ab_tests", "view v_active_ab_tests", "is missing"),
        ("DROP VIEW v_active_ab_tests", "views, read", "v_active_ab_tests"),
        (
            "CREATE OR REPLACE VIEW v_recent_execution_errors AS SELECT id, template_name, template_version, "
            "error_type, error_message, executed_at, user_id, request_id FROM prompt_executions "
            "WHERE status = 'failure'",
            "views, read",
            "not the failures of the last 7 days",
        ),
        (
            "ALTER TABLE prompt_executions DROP CONSTRAINT prompt_executions_template_id_fkey, "
            "ADD FOREIGN KEY (template_id) REFERENCES prompt_templates ON DELETE CASCADE",
            "executions outlive their template, exercised",
            "ON DELETE RESTRICT",
        ),
        (
            "ALTER TABLE prompt_templates DROP CONSTRAINT prompt_templates_name_version_key",
            "constraint prompt_templates UNIQUE (name, version)",
            "is missing; run: ALTER TABLE prompt_templates ADD UNIQUE (name, version)",
        ),
        (
            "DELETE FROM prompt_guardrails WHERE name = 'pii_detection_basic'",
            "seeds: three prompts, three guardrails",
            "guardrails are missing: pii_detection_basic",
        ),
        (
            "GRANT SELECT ON prompt_executions TO PUBLIC",
            "grant PUBLIC on prompt_executions",
            "is: SELECT; should be: nothing",
        ),
        (
            "REVOKE INSERT ON prompt_executions FROM prompt_execution_worker",
            "grant prompt_execution_worker on prompt_executions",
            "should be: INSERT",
        ),
    ],
)  # fmt: skip
def test_each_fault_has_a_line_that_says_what_to_do(engine: Engine, harm: str, line: str, hint: str) -> None:
    run_script(engine, harm)
    assert hint in failed(engine)[line]


def test_commands_of_the_hints_repair_the_fault(engine: Engine) -> None:
    run_script(
        engine,
        "DROP INDEX idx_prompt_executions_user; DROP TRIGGER trigger_update_template_statistics ON prompt_executions;"
        "ALTER TABLE prompt_templates DISABLE TRIGGER trigger_enforce_single_active_template;"
        "ALTER TABLE prompt_templates DROP CONSTRAINT prompt_templates_name_version_key",
    )
    for hint in failed(engine).values():
        _, found, command = hint.partition("; run: ")
        if found:
            run_script(engine, command)
    assert failed(engine) == {}


def test_workers_login_may_compare_but_not_exercise(engine: Engine) -> None:
    user = f"worker_{engine.url.database}"
    run_script(engine, f"CREATE ROLE {user} LOGIN; GRANT prompt_execution_worker TO {user}")
    url = engine.url.set(username=user).render_as_string(hide_password=False)
    own = connect(url.replace("+psycopg2", ""), application_name="test")
    try:
        checks = list(verify(own, exercise=False))
        assert [check for check in checks if not check.ok] == []
        assert not any("exercised" in check.name for check in checks)
        hint = failed(own)["views, read"]
        assert hint.endswith("verify as the owner of the tables")
    finally:
        own.dispose()
        rows(engine, f"DROP ROLE {user}")


def test_expected_catalog_is_what_the_migrations_make(engine: Engine) -> None:
    with engine.connect() as connection:
        found = actual(connection)
    expected = json.loads((MIGRATIONS.parent / "verify" / "catalog.json").read_text())
    assert found == expected, "run: python -m prompt_schema.catalog DATABASE_URL, into verify/catalog.json"


def test_unreachable_database_is_reported_without_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:s3cr3t@127.0.0.1:1/nowhere")
    assert main(["verify"]) == DeploymentError.exit_code
    printed = capsys.readouterr().err
    assert "DATABASE_URL" in printed
    assert "Traceback" not in printed
    assert "s3cr3t" not in printed
