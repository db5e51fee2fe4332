"""The doctor on a real database, and a command on an empty one: they say what is wrong, without a traceback."""

from __future__ import annotations

import pytest

from prompt_schema.verify import Check
from prompt_worker.commands.cli import main
from prompt_worker.doctor.database import examine_database
from prompt_worker.platform.postgres.engine import connect


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
