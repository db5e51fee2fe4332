"""The months of the partitioned tables: which there are, and making those to come.

Months are made in two transactions, see migration 0023: the first keeps their rows out of the default partition, the
second makes them. What is interrupted between them is made by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from prompt_schema.errors import MigrationError

TABLES = ("prompt_executions", "guardrail_evaluations")
# Months that are made after this one.
AHEAD = 24
FIRST_YEAR = 1970

_KEY = 7020100946810390
# Compiling the queries on the catalog would take longer than they do.
_PATIENCE = """
    SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '500ms'; SET LOCAL jit = off;
    SET LOCAL search_path = public, pg_temp
"""
# Of waiting for a lock half a second, after which whoever waited behind us writes.
_ATTEMPTS = 60
_LOCKED = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)
_SQL = Path(__file__).parent / "sql"
_LISTED = text((_SQL / "partitions.sql").read_text(encoding="utf-8"))
_UNINDEXED = text((_SQL / "unindexed.sql").read_text(encoding="utf-8"))
_REPLACED = text((_SQL / "replaced.sql").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Partition:
    """A partition of `table`; `month` is its first day, None for the default partition. `rows` is an estimate."""

    table: str
    name: str
    month: date | None
    rows: int
    size: int


def partitions(engine: Engine) -> list[Partition]:
    """All of them, by table and month, the default partition last. Needs no right on the tables.

    Raises `MigrationError`.
    """
    try:
        with engine.connect() as connection:
            return [Partition(*row) for row in connection.execute(_LISTED, {"tables": list(TABLES)})]
    except DBAPIError as error:
        raise _explained(error) from error


def months_ahead(found: list[Partition], today: date | None = None) -> int:
    """How many months after this one each table has a partition for, without a gap."""
    first = _month(today)
    made = {(partition.table, partition.month) for partition in found}
    ahead = 0
    while ahead < len(found) and all((table, _later(first, ahead + 1)) in made for table in TABLES):
        ahead += 1
    return ahead


def make_partitions(
    engine: Engine,
    ahead: int = AHEAD,
    report: Callable[[str], None] = lambda _: None,
    today: date | None = None,
) -> int:
    """Makes the months that are missing until `ahead` months after this one; returns how many.

    This month as well where a table has no row yet: else its rows are in the default partition and stay there. `report`
    is called with a line for each table that gets months. Raises `MigrationError`.
    """
    first = _month(today)
    count = 0
    for table in TABLES:
        wanted = [_later(first, number) for number in range(0 if _is_empty(engine, table) else 1, ahead + 1)]
        count += len(_make(engine, table, wanted, report))
    _index(engine, report)
    return count


def make_month(engine: Engine, month: date, report: Callable[[str], None] = lambda _: None) -> int:
    """Makes one month, also one whose rows are in the default partition already: they move. Returns how many were made.

    Until that is done, rows of this month wait: workers try them again. Raises as `make_partitions` does, and for
    months before 1970, of which no id can be.
    """
    if month.year < FIRST_YEAR:
        raise MigrationError(
            f"{month.isoformat()[:7]}: ids begin with a time since {FIRST_YEAR}, so no row is of this month"
        )
    return sum(len(_make(engine, table, [_month(month)], report)) for table in TABLES)


def _is_empty(engine: Engine, table: str) -> bool:
    return bool(_patiently(engine, f"SELECT NOT EXISTS (SELECT FROM public.{table})", {"of_table": table}))  # noqa: S608


def _make(engine: Engine, table: str, wanted: list[date], report: Callable[[str], None]) -> list[date]:
    for _ in range(_ATTEMPTS):
        there = {partition.month for partition in partitions(engine) if partition.table == table}
        missing = [month for month in wanted if month not in there]
        if not missing:
            return []
        limits = {"of_table": f"public.{table}", "first": missing[0], "last": missing[-1]}
        _patiently(engine, "SELECT public.begin_partitions(:of_table, :first, :last)", limits)
        moved = _patiently(engine, "SELECT public.finish_partitions(:of_table, :first, :last)", limits)
        if moved is not None:
            months = " to ".join(sorted({f"{missing[0]:%Y-%m}", f"{missing[-1]:%Y-%m}"}))
            report(f"{table}: made {months}" + (f", and moved {moved} rows into them" if moved else ""))
            return missing
    raise MigrationError(f"{table}: another session makes partitions all the time; try again")


def _patiently(engine: Engine, statement: str, parameters: dict[str, Any]) -> Any:
    """A transaction that waits for a lock for half a second, many times, so that nobody waits long behind it."""
    for _ in range(_ATTEMPTS):
        try:
            with engine.begin() as connection:
                connection.execute(text(_PATIENCE))
                return connection.scalar(text(statement), parameters)
        except DBAPIError as error:
            if not isinstance(error.orig, _LOCKED):
                raise _explained(error) from error
            time.sleep(0.2)
    raise MigrationError(
        f"{parameters['of_table']} is in use by a long transaction: end it, and run 'prompt-worker partitions'"
    )


def _explained(error: DBAPIError) -> MigrationError:
    """Without the statement and its parameters, and with what to do next."""
    diagnosis = getattr(error.orig, "diag", None)
    what = (diagnosis and diagnosis.message_primary) or str(error.orig)
    if diagnosis and diagnosis.message_detail and (diagnosis.sqlstate or "")[:2] not in ("22", "23"):
        what += f" ({diagnosis.message_detail.rstrip('.')})"
    lacks_schema = diagnosis and diagnosis.sqlstate in ("42P01", "42883")
    advice = (
        "'prompt-worker migrate'" if lacks_schema else "'prompt-worker partitions' as the owner of the tables"
    )
    return MigrationError(f"partitions: {what}. Run {advice}")


def _index(engine: Engine, report: Callable[[str], None]) -> None:
    """Builds, beside writers, the indexes that a partition lacks; again where that was interrupted. Then drops those
    whose successors they are."""
    with _alone(engine):
        with engine.connect() as connection:
            lacking = connection.execute(_UNINDEXED, {"tables": list(TABLES)}).all()
        for index, partition, name, definition, broken in lacking:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # It waits for every transaction that may still see the table without it, and nobody for it.
                connection.exec_driver_sql("SET lock_timeout = 0")
                try:
                    if broken:
                        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}")
                    connection.exec_driver_sql(definition)
                except DBAPIError as error:
                    raise _explained(error) from error
                connection.exec_driver_sql("RESET lock_timeout")
            attach = f"ALTER INDEX {index} ATTACH PARTITION public.{name}; SELECT 1"
            _patiently(engine, attach, {"of_table": partition})
            report(f"{partition}: built {name}")
        with engine.connect() as connection:
            replaced = connection.execute(_REPLACED, {"tables": list(TABLES)}).all()
        for index, table in replaced:
            _patiently(engine, f"DROP INDEX public.{index}; SELECT 1", {"of_table": table})
            report(f"{table}: dropped {index}")


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Holds a lock of a transaction, so also behind a transaction pooler. Who waits asks again: a statement that waited
    would hold a snapshot, for which building an index would wait."""
    while True:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _KEY}):
                yield
                return
        time.sleep(0.2)


def _month(day: date | None) -> date:
    return (day or datetime.now(UTC).date()).replace(day=1)


def _later(month: date, months: int) -> date:
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)
