"""The services measured on: a PostgreSQL with normal settings and an emulator, ours alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection

from prompt_schema.migrate import migrate
from prompt_schema.statistics import Difference, recount
from prompt_worker.local.servers.emulator import Emulator
from prompt_worker.local.servers.postgres import Postgres
from prompt_worker.platform.postgres.engine import connect
from tests.benchmarks.cpu import Reading
from tests.benchmarks.events import Template


class VoidError(Exception):
    """The results of a run are wrong, so its speed means nothing."""


@dataclass(frozen=True)
class Services:
    postgres: Postgres
    emulator: Emulator

    def read(self) -> Reading:
        return Reading.now(self.emulator.pid, self.postgres.pid)

    def new_database(self, name: str, template: str = "template0") -> Database:
        with session(self.postgres.url) as admin:
            admin.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return Database(re.sub(r"/postgres$", f"/{name}", self.postgres.url))

    @contextmanager
    def copy_of(self, name: str) -> Iterator[Database]:
        """A copy of a database, dropped afterwards."""
        copy = f"{name}_copy"
        try:
            yield self.new_database(copy, template=name)
        finally:
            self.drop(copy)

    def drop(self, name: str) -> None:
        with session(self.postgres.url) as admin:
            admin.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True)
class Database:
    url: str

    def migrate(self) -> Database:
        engine = connect(self.url, application_name="bench migrate", statement_timeout_ms=0)
        migrate(engine, lambda _: None)
        engine.dispose()
        return self

    def month(self) -> str:
        """The partition that rows of now belong to, which workers write to."""
        [(name,)] = self.execute(
            "SELECT public.partition_name('prompt_executions', (now() AT TIME ZONE 'UTC')::date)"
        )
        return str(name)

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with session(self.url) as opened, opened.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def templates(self) -> list[Template]:
        rows = self.execute("SELECT id::text, name, version FROM prompt_templates ORDER BY name")
        return [Template.of(*row) for row in rows]

    def rows(self) -> int:
        """Of `prompt_executions`."""
        [(number,)] = self.execute("SELECT count(*)::integer FROM prompt_executions")
        assert isinstance(number, int)
        return number

    def empty(self) -> None:
        """No rows, counters at zero, and nothing left to write that a later run would pay for."""
        self.execute(
            "TRUNCATE prompt_executions, guardrail_evaluations, guardrail_violations, prompt_template_deltas, "
            "ab_test_deltas, guardrail_deltas"
        )
        self.execute("SELECT rebuild_template_statistics(id) FROM prompt_templates")
        self.execute("SELECT rebuild_guardrail_statistics(id) FROM prompt_guardrails")
        for statement in ("VACUUM FULL prompt_templates", "VACUUM FULL prompt_guardrails", "CHECKPOINT"):
            self.execute(statement)

    def check(self, rows: int, *, exact_statistics: bool = True) -> None:
        """Raises `VoidError` unless there are so many rows, and every counter equals a recount."""
        [(stored,)] = self.execute("SELECT count(*) FROM prompt_executions")
        if stored != rows:
            raise VoidError(f"{stored} rows instead of {rows}")
        if not exact_statistics:
            return
        if differences := self.wrong_counters():
            raise VoidError(f"{len(differences)} counters are wrong, first {differences[0]}")

    def wrong_counters(self) -> list[Difference]:
        engine = connect(self.url, application_name="bench recount", statement_timeout_ms=0)
        try:
            return recount(engine)
        finally:
            engine.dispose()


@contextmanager
def session(url: str) -> Iterator[connection]:
    opened = psycopg2.connect(url)
    opened.autocommit = True
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def start(*, stock_broker: bool = False) -> Iterator[Services]:
    """`stock_broker`: the emulator with Java's own defaults, as Google's command starts it."""
    broker = Emulator(jvm_flags=()) if stock_broker else Emulator()
    with Postgres() as postgres, broker as emulator:
        os.environ["PUBSUB_EMULATOR_HOST"] = emulator.host
        yield Services(postgres, emulator)


def lines_with(log: Path, *words: str) -> int:
    """How many lines of a log hold any of `words`."""
    return sum(any(word in line for word in words) for line in log.read_text(errors="replace").splitlines())
