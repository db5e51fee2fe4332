"""Commands on a standby: reading works, and what would write says that the database is read-only, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prompt_schema.migrate import migrate
from prompt_worker.commands.cli import main
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.conftest import FAST
from tests.support.events import body
from tests.support.replaying import letter, store

NO_ID = "0190b2a4-0000-7000-8000-000000000001"
READING = (
    ["dead-letters", "list"],
    ["dead-letters", "summary"],
    ["dead-letters", "history"],
    ["dead-letters", "discard", "--because", "x"],
    ["guardrails", "list"],
    ["verify", "--statistics"],
)
WRITING = (
    ["dead-letters", "discard", "--because", "x", "--yes"],
    ["dead-letters", "replay"],
    ["dead-letters", "replay", "--yes", "--wait", "0"],
    ["guardrails", "false-positive", NO_ID],
)


@pytest.fixture(scope="module")
def standby() -> Iterator[str]:
    """URL of a server that is in recovery, with the schema and a dead letter."""
    with Postgres(settings=FAST) as server:
        engine = connect(server.url, application_name="tests")
        migrate(engine)
        engine.dispose()
        store(server.url, [letter(body(), reason="no template x version 1")])
        server.stop()
        (server.data_dir / "standby.signal").touch()
        server.start()
        yield server.url


@pytest.fixture(autouse=True)
def environment(standby: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": standby,
        "PUBSUB_PROJECT_ID": "p",
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)


def test_reading_commands_work_on_a_standby() -> None:
    assert [arguments for arguments in READING if main(arguments) != 0] == []


def test_writing_commands_say_that_it_is_read_only(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in WRITING:
        assert main(arguments) == 69, arguments
        assert capsys.readouterr().err == (
            "prompt-worker: The database is read-only: a standby, or a server that protects a full disk. "
            "Completed work is kept; run the command again where DATABASE_URL leads to the primary.\n"
        ), arguments


def test_checks_name_a_standby(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "cannot execute INSERT in a read-only transaction: verify on the primary" in out
    assert "FAILED database writable: the database is read-only: a standby" in out
