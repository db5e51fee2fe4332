"""Waits for locks without making others wait: a short request, and another one later, for some minutes."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic, sleep

import psycopg2
from psycopg2.extensions import connection, cursor

from prompt_schema.errors import MigrationError
from prompt_schema.refusal import explain

# While a request waits, every later one for the table queues behind it: this is how long writers may be kept waiting.
# It is below PostgreSQL's deadlock_timeout, so of two who wait for each other it is the migration that gives up.
LOCK_TIMEOUT_MS = 500
PATIENCE_S = 300.0
LONGEST_PAUSE_S = 5.0
# Keeps autovacuum out, which gives way only to who has waited for deadlock_timeout; writers do not notice.
_VACUUM_TIMEOUT_MS = 5_000
_BUSY = ("55P03", "40P01")  # lock_not_available, deadlock_detected

# Compiling queries on the catalog takes seconds, and they run while tables are locked.
BEGINNING = """
    SET LOCAL jit = off;
    SET LOCAL statement_timeout = 0;
    SET LOCAL client_min_messages = warning;
    SET LOCAL search_path = public, pg_temp;
"""
_NAMED = """
    SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)
      AND pg_has_role(c.relowner, 'USAGE')
    ORDER BY c.relname
"""
# Whoever waits behind us is none of them. Others' times and states may be hidden from this login, names are not.
_HOLDERS = """
    SELECT a.pid, a.application_name, coalesce(a.backend_type, ''), string_agg(DISTINCT c.relname, ', ')
    FROM pg_locks l
    JOIN pg_class c ON c.oid = l.relation AND c.relnamespace = 'public'::regnamespace
    JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = (
        SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY a.pid, a.application_name, a.backend_type, a.xact_start
    ORDER BY a.xact_start NULLS LAST
    LIMIT 1
"""


def patiently(
    opened: connection,
    what: str,
    sql: str,
    attempt: Callable[[cursor], None],
    report: Callable[[str], None],
    *,
    kept: str = "",
) -> None:
    """Runs `attempt` in a transaction, again while others hold what it needs, and commits it.

    `sql` is what it will execute: autovacuum is kept out of the tables that it names. `kept` says what stays of a
    failed one. Raises `MigrationError`.
    """

    def transaction() -> None:
        with opened.cursor() as own:
            own.execute(f"{BEGINNING} SET LOCAL lock_timeout = {_VACUUM_TIMEOUT_MS}")
            own.execute(_NAMED, (sorted(set(re.findall(r"\w+", sql))),))
            if tables := ", ".join(name for (name,) in own.fetchall()):
                own.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
            own.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            attempt(own)
            opened.commit()

    again_while_busy(opened, what, transaction, report, kept=kept)


def again_while_busy(
    opened: connection,
    what: str,
    attempt: Callable[[], None],
    report: Callable[[str], None],
    *,
    kept: str = "",
) -> None:
    """Calls `attempt`, again while it fails for a lock. Raises `MigrationError`."""
    deadline = monotonic() + PATIENCE_S
    pause = 0.25
    reported = False
    while True:
        try:
            attempt()
        except psycopg2.Error as error:
            if error.pgcode not in _BUSY or monotonic() > deadline:
                raise MigrationError(explain(what, error, kept=kept)) from error
            opened.rollback()
        else:
            return
        if not reported:
            report(f"{what} waits for others' locks{_holder(opened)}")
            reported = True
        pause = min(pause * 2, LONGEST_PAUSE_S)
        sleep(pause)


def _holder(opened: connection) -> str:
    """The oldest of those who hold one now, which is most likely the one that we wait for."""
    with opened.cursor() as asking:
        asking.execute(_HOLDERS)
        found = asking.fetchall()
    opened.rollback()
    if not found:
        return ""
    [(pid, application, kind, tables)] = found
    who = application or kind or "a session"
    return f"; the oldest transaction that holds some: {who}, pid {pid}, on {tables}"
