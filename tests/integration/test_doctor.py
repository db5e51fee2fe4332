"""The doctor on a real database, and a command on an empty one: they say what is wrong, without a traceback."""

from __future__ import annotations

import pytest

from prompt_schema.verify import Check
from prompt_worker import PromptTemplateService
from prompt_worker.commands.cli import main
from prompt_worker.doctor.database import examine_database
from prompt_worker.doctor.registry import _check_number
from prompt_worker.platform.postgres.engine import connect
from tests.support.pipeline import wait_until


def examine(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Check]:
    monkeypatch.setenv("DATABASE_URL", url)
    return {check.name: check for check in examine_database()}


def test_doctor_passes_a_migrated_database(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = examine(monkeypatch, database)
    assert all(check.ok for check in checks.values()), checks
    assert {"database reachable", "database schema", "lag: no execution stored yet"} <= checks.keys()


def test_doctor_names_missing_migrations(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = examine(monkeypatch, empty_database)
    assert "run 'prompt-worker migrate'" in checks["migrations"].hint
    assert "database schema" not in checks


def test_doctor_says_which_role_a_login_lacks(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = connect(database, application_name="test")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS doctor_without_role")
        connection.exec_driver_sql("CREATE ROLE doctor_without_role LOGIN PASSWORD 'x'")
    stranger = engine.url.set(drivername="postgresql", username="doctor_without_role", password="x")
    checks = examine(monkeypatch, stranger.render_as_string(hide_password=False))
    assert checks["database reachable"].ok
    assert "needs the role prompt_operator" in checks["database readable"].hint


def test_doctor_reports_an_unreachable_database(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = examine(monkeypatch, "postgresql://u:secret@127.0.0.1:1/d")
    assert not checks["database reachable"].ok
    assert "No connection to the database in DATABASE_URL" in checks["database reachable"].hint
    assert "secret" not in checks["database reachable"].hint


def test_command_without_the_schema_says_what_to_do(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    assert main(["rebuild-statistics"]) == 1
    assert "run 'prompt-worker migrate' first" in capsys.readouterr().err


def test_doctor_shows_the_registry_and_prompts_that_cannot_be_served(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(database, application_name="test")
    with engine.begin() as connection:
        for name, text in (
            ("broken/tag", "{% if %}"),
            ("broken/include", '{% include "no/such" %}'),
            ("fine", "Hi"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (%s, NULL, %s, true)",
                (name, text),
            )
    checks = examine(monkeypatch, database)
    assert not checks["prompt broken/tag"].ok
    assert "line 1" in checks["prompt broken/tag"].hint
    assert not checks["prompt broken/include"].ok
    assert "no/such" in checks["prompt broken/include"].hint
    assert "prompts: 4 of 6 are served as they are stored" in checks
    [line] = [name for name in checks if name.startswith("prompt registry: epoch 1, revision ")]
    assert line.endswith(" s ago")
    assert "prompt registry: 0 processes follow it in the database" in checks
    engine.dispose()


def test_doctor_advises_the_endpoint_above_100_processes() -> None:
    assert not _check_number(100).warning
    advised = _check_number(101)
    assert advised.warning
    assert advised.ok
    assert "prompt-worker serve registry" in advised.hint


def test_doctor_counts_the_processes_that_follow(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [PromptTemplateService(registry=database, last_good="none") for _ in range(3)]
    try:
        assert all(service.start(wait=20) for service in services)
        name = "prompt registry: 3 processes follow it in the database"
        wait_until(
            lambda: name in examine(monkeypatch, database), 60, lambda: str(examine(monkeypatch, database))
        )
    finally:
        for service in services:
            service.close()
