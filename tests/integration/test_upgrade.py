"""A database upgraded in place, by pg_upgrade, is what it was: verify says so, and workers write to it."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from queries import rows, scalar

from prompt_schema.migrate import migrate
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.conftest import FAST, servers_to_test
from tests.support.events import body


class Cluster(Postgres):
    """One that the programs of PostgreSQL can be run on while it is stopped."""

    @property
    def programs(self) -> Path:
        return self._programs

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        result = subprocess.run(
            self._account.command(*command) if self._account else command,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_database_upgraded_in_place_verifies() -> None:
    """From the other version that is installed; where there is none, from one cluster to another."""
    with (
        Cluster(settings=FAST, bin_dir=list(servers_to_test().values())[-1]) as old,
        Cluster(settings=FAST) as new,
    ):
        engine = connect(old.url, application_name="test")
        migrate(engine)
        written = "SELECT id, name FROM prompt_templates ORDER BY name"
        write(old)
        templates = rows(engine, written)
        engine.dispose()
        old.stop()
        new.stop()
        # PostgreSQL 18 begins with checksums, 15 without.
        if old.version != new.version:
            new.run("pg_checksums", "--disable", "--no-sync", f"--pgdata={new.data_dir}")
        new.run(
            "pg_upgrade",
            "--username=postgres",
            f"--old-bindir={old.programs}",
            f"--new-bindir={new.programs}",
            f"--old-datadir={old.data_dir}",
            f"--new-datadir={new.data_dir}",
            f"--socketdir={new.home}",
            "--no-sync",
        )
        new.start()
        engine = connect(new.url, application_name="test")
        assert [check for check in verify(engine) if not check.ok] == []
        assert recount(engine) == []
        assert migrate(engine) == []
        write(new)
        assert rows(engine, written) == templates
        assert scalar(engine, "SELECT count(*) FROM prompt_executions") == 20
        assert recount(engine) == []
        engine.dispose()


def write(server: Postgres) -> None:
    engine = connect(server.url, application_name="test")
    writer = ExecutionWriter(engine, threading.Event())
    outcomes = writer([Message(body(), {}, str(number)) for number in range(10)])
    engine.dispose()
    assert outcomes == [Verdict.WRITTEN] * 10
