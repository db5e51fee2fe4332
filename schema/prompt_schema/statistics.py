"""Compares every counter with a recount of the rows; `rebuild` repairs those that differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Engine, Row, text
from sqlalchemy.exc import DBAPIError

from prompt_schema.errors import MigrationError
from prompt_schema.folding import fold
from prompt_schema.ledger import REBUILD_DUE, pending, read, rebuild_is_due
from prompt_schema.refusal import explain

_RECOUNT = (Path(__file__).parent / "verify" / "recount.sql").read_text(encoding="utf-8")
_REBUILD = {
    "prompt_templates": text("SELECT rebuild_template_statistics(:id)"),
    "ab_test_experiments": text("SELECT rebuild_ab_test_statistics(:id)"),
    "prompt_guardrails": text("SELECT rebuild_guardrail_statistics(:id)"),
}
_DONE = text("DELETE FROM public.schema_migrations WHERE version = :due AND checksum IS NULL")
_KEPT = "All migrations are applied: migrate again, and it is caught up on."


@dataclass(frozen=True)
class Difference:
    """One wrong counter; `key` is a template's name and version, or an experiment's or guardrail's name.

    Of `prompt_executions`, rows that count for another template than the one they name; `key` is what they name.
    """

    table: str
    key: str
    column: str
    stored: str | None
    counted: str | None


def recount(engine: Engine) -> list[Difference]:
    """Every counter that differs from a recount; empty when the statistics are exact.

    Reads all executions and evaluations once. Raises `MigrationError` where the schema is not up to date, or a recount
    of what a takeover found is still due.
    """
    if rebuild_is_due(engine):
        raise MigrationError(
            "the counters lack what was written before the takeover, which was interrupted: "
            "run 'prompt-worker migrate' again"
        )
    _check(engine)
    differences = _differences(engine)
    fold(engine)
    return [Difference(row.in_table, row.key, row.counter, row.stored, row.counted) for row in differences]


def rebuild(engine: Engine) -> int:
    """Corrects what `recount` finds, one row at a time, beside running writers.

    Returns the number of templates, experiments and guardrails corrected. Raises `MigrationError` as `recount` does.
    """
    _check(engine)
    return _rebuild(engine)


def catch_up(engine: Engine, report: Callable[[str], None]) -> None:
    """The rebuild that migrations left out for a database in use. Raises `MigrationError`."""
    try:
        corrected = _rebuild(engine)
        with engine.begin() as connection:
            connection.execute(_DONE, {"due": REBUILD_DUE})
    except DBAPIError as error:
        cause = error.orig if isinstance(error.orig, psycopg2.Error) else psycopg2.Error(str(error.orig))
        raise MigrationError(explain("the recount of the counters", cause, kept=_KEPT)) from error
    report(f"counters: {corrected} recounted from the rows, beside writers")


def _rebuild(engine: Engine) -> int:
    wrong = {(row.in_table, row.id) for row in _differences(engine) if row.in_table in _REBUILD}
    for table, row_id in sorted(wrong, key=str):
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(_REBUILD[table], {"id": row_id})
            connection.commit()
    return len(wrong)


def _check(engine: Engine) -> None:
    if pending(engine, read()):
        raise MigrationError("the statistics cannot be recounted yet: run 'prompt-worker migrate' first")


def _differences(engine: Engine) -> Sequence[Row[Any]]:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL search_path = public, pg_temp"))
        return connection.execute(text(_RECOUNT)).all()
