"""Applies one migration: in one transaction, or outside of any as its header says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import sleep
from typing import cast

from psycopg2.extensions import connection, cursor
from sqlalchemy import Engine

from prompt_schema.ledger import Migration, is_outside
from prompt_schema.script import Statement, split
from prompt_schema.waiting import again_while_busy, patiently

_LEDGER = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.schema_migrations')
                       AND attname = 'checksum' AND NOT attisdropped) THEN
            CREATE TABLE IF NOT EXISTS public.schema_migrations (
                version varchar(255) PRIMARY KEY, description text, executed_at timestamp DEFAULT now());
            ALTER TABLE public.schema_migrations ADD COLUMN IF NOT EXISTS checksum varchar(64);
        END IF;
    END $$
"""
_RECORD = "INSERT INTO public.schema_migrations (version, description, checksum) VALUES (%s, %s, %s)"
_KEPT = "What it did so far is kept: migrate again, and it goes on."
_UNFINISHED = """
    SELECT i.indrelid::regclass::text,
           EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS being_built
    FROM pg_index i WHERE i.indexrelid = to_regclass(%s) AND NOT i.indisvalid
"""
_CHECK_SECONDS = 0.5


def apply(engine: Engine, migration: Migration, sql: str, report: Callable[[str], None]) -> None:
    """Applies `sql`, the migration's own text or one with the same result, and records the migration.

    Raises `MigrationError`.
    """
    with closing(engine.raw_connection()) as pooled:
        # The driver's own connection: without parameters it leaves `%` alone, and it keeps the warnings.
        opened = cast(connection, pooled.driver_connection)
        if is_outside(sql):
            _outside(opened, migration, sql, report)
            sql = ""

        def transaction(own: cursor) -> None:
            own.execute(_LEDGER)
            own.execute(_RECORD, (migration.version, migration.description, migration.checksum))
            if sql:
                own.execute(sql)

        patiently(opened, migration.file, sql, transaction, report, kept="" if sql else _KEPT)
        _report_warnings(opened, report)


def _outside(opened: connection, migration: Migration, sql: str, report: Callable[[str], None]) -> None:
    statements = list(split(sql))
    for number, statement in enumerate(statements, 1):
        step = f"{migration.file}, step {number} of {len(statements)}"
        execute(opened, statement, step, report)
        report(f"{step}: {statement.why}")


def execute(opened: connection, statement: Statement, step: str, report: Callable[[str], None]) -> None:
    """Executes it in a transaction of its own, or in none where it needs that. Raises `MigrationError`."""
    if statement.alone:
        _alone(opened, statement, step, report)
    else:
        patiently(opened, step, statement.sql, lambda own: own.execute(statement.sql), report, kept=_KEPT)
    _report_warnings(opened, report)


def _alone(opened: connection, statement: Statement, step: str, report: Callable[[str], None]) -> None:
    """Takes no lock that keeps writers waiting, so it may wait as long as it has to."""

    def attempt() -> None:
        with opened.cursor() as own:
            if statement.builds_index:
                _drop_unfinished(own, *statement.builds_index)
            own.execute(statement.sql)

    opened.rollback()
    opened.autocommit = True
    try:
        with _without_limits(opened):
            again_while_busy(opened, step, attempt, report, kept=_KEPT)
    finally:
        if not opened.closed:
            opened.autocommit = False


@contextmanager
def _without_limits(opened: connection) -> Iterator[None]:
    """For the session, where it is ours: behind a pooler it is shared, and what we set would stay with others."""
    with opened.cursor() as own:
        own.execute("SELECT pg_backend_pid()")
        [(pid,)] = own.fetchall()
        # A pooler announces another one.
        ours = pid == opened.info.backend_pid
        if ours:
            own.execute("SET statement_timeout = 0; SET lock_timeout = 0; SET client_min_messages = warning")
        try:
            yield
        finally:
            if ours and not opened.closed:
                own.execute("RESET statement_timeout; RESET lock_timeout; RESET client_min_messages")


def _drop_unfinished(own: cursor, name: str, table: str) -> None:
    """What a killed build left; one that is still being built, for a runner that is gone, is waited for."""
    schema = table.rpartition(".")[0] or "public"
    while True:
        own.execute(_UNFINISHED, (f"{schema}.{name}",))
        found = own.fetchall()
        if not found:
            return
        [(_, being_built)] = found
        if being_built:
            sleep(_CHECK_SECONDS)
        else:
            own.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")


def _report_warnings(opened: connection, report: Callable[[str], None]) -> None:
    warnings: list[str] = opened.notices
    for warning in warnings:
        report(warning.strip())
    warnings.clear()
