"""Which database errors pass, which are the event's, which are the deployment's, and which are not known."""

from __future__ import annotations

import re
from typing import Literal

import psycopg2
from psycopg2 import errorcodes

from prompt_worker.platform.failures import DeploymentError

Kind = Literal["event", "transient", "deployment", "unknown"]

# SQLSTATE classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_EVENT = {
    "22",  # data exception: a value the column cannot hold
    "23",  # integrity constraint violation
    "54",  # program limit exceeded: nested too deeply, too large for an index
}
_DEPLOYMENT = {
    "0A",  # feature not supported
    "3D",  # no such database
    "3F",  # no such schema
    "42",  # syntax error or access rule violation: a missing table, column or privilege
}
_TRANSIENT = {
    "08",  # connection exception
    "40",  # transaction rollback: deadlock, serialization failure
    "53",  # insufficient resources: disk full, out of memory, too many connections
    "57",  # operator intervention: shutdown, crash, starting up
    "58",  # system error: input and output
}
# Passes on another connection: after a failover this one may still lead to the old primary.
_TRANSIENT_STATES = {errorcodes.LOCK_NOT_AVAILABLE, errorcodes.READ_ONLY_SQL_TRANSACTION}
READ_ONLY = "the database is read-only: a standby, or a server that protects a full disk"
# A statement timeout: the batch may be too large, one event may be, or the server is slow.
_UNKNOWN_STATES = {errorcodes.QUERY_CANCELED}
# Where PostgreSQL writes to its disk: what fails there is an "internal error" if errno has no SQLSTATE of its own.
_STORAGE = {"md.c", "fd.c", "smgr.c", "bufmgr.c", "buffile.c", "xlog.c", "slru.c"}
_UNSENT = (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError)
# Raised inside a function, such as a trigger's: it is about what the function does, not about the row that fired it.
_IN_FUNCTION = re.compile(r"^PL/\w+", re.MULTILINE)


# Of the rule that keeps rows of a month out of the default partition while that month is made, see migration 0023.
_BEING_MADE = "_month_being_made"
# Partitions of one table: events that fail alike in two months have one reason.
_MONTH = re.compile(r"^(prompt_executions|guardrail_evaluations)_(?:\d{4}_\d{2}|default)(?=_|$)")


class PassingError(psycopg2.OperationalError):
    """Whatever its SQLSTATE says: the next attempt finds another state."""


class WrittenMeanwhileError(PassingError):
    """Another worker committed some of the same rows between two statements: the next attempt finds them stored."""

    pgcode = errorcodes.UNIQUE_VIOLATION


class LeafGoneError(PassingError):
    """A month was detached or dropped since it was looked up: the next attempt writes to the table."""

    pgcode = errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE


def classify(error: psycopg2.Error) -> Kind:
    """What the error is about, by its SQLSTATE and by what raised it.

    `event`: the rows themselves, each time they are written. `transient`: it passes. `deployment`: no retry helps.
    `unknown`: the rows or the server, which only other rows can show.
    """
    sqlstate, sqlstate_class = error.pgcode, (error.pgcode or "")[:2]
    if sqlstate is None or isinstance(error, PassingError):
        # The client library's own is a connection that broke, or a value that it cannot send.
        return "unknown" if isinstance(error, _UNSENT) else "transient"
    if sqlstate == errorcodes.CHECK_VIOLATION and _is_partitioning(error):
        return "transient"
    if sqlstate_class in _EVENT:
        return "unknown" if _IN_FUNCTION.search(error.diag.context or "") else "event"
    if sqlstate_class in _DEPLOYMENT:
        return "deployment"
    passes = sqlstate_class in _TRANSIENT or sqlstate in _TRANSIENT_STATES
    if sqlstate not in _UNKNOWN_STATES and (passes or error.diag.source_file in _STORAGE):
        return "transient"
    return "unknown"


def _is_partitioning(error: psycopg2.Error) -> bool:
    """A month is being made, or was made just now: the bounds of a partition have no constraint's name."""
    constraint = error.diag.constraint_name
    return constraint.endswith(_BEING_MADE) if constraint else bool(error.diag.table_name)


def error_class(error: psycopg2.Error) -> str:
    """The error class of the dead letter of an event that was refused with `error`."""
    return "refused_by_database" if classify(error) == "event" else "unknown_error"


def is_transient(error: BaseException) -> bool:
    """It passes: waiting is right, however long."""
    return isinstance(error, psycopg2.Error) and classify(error) == "transient"


def may_pass(error: BaseException) -> bool:
    """It passes, or may: waiting is right for a while."""
    return isinstance(error, psycopg2.Error) and classify(error) in ("transient", "unknown")


def describe(error: psycopg2.Error) -> str:
    """The error without the server's message, which may quote the row: condition, SQLSTATE, and what it names."""
    if error.pgcode is None:
        # The client library's own words; of a failed connection they are the only reason known.
        return " ".join(str(error).split()) if isinstance(error, psycopg2.OperationalError) else _words(error)
    named = [
        f"{what} {_of_table(value)}"
        for what in ("column", "constraint", "table")
        if (
            value := getattr(error.diag, f"{what}_name", None) or (what == "column" and _copied_column(error))
        )
    ]
    return ", ".join([f"{_words(error)} ({error.pgcode})", *named])


def _of_table(name: str) -> str:
    """What a partition's table or key is called where the table is not partitioned."""
    return _MONTH.sub(r"\1", name)


def _words(error: psycopg2.Error) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__.rstrip("_")).lower()


def _copied_column(error: psycopg2.Error) -> str | None:
    """The column that COPY was at; other lines of the context quote its value."""
    found = re.search(r"^COPY \w+, line \d+, column (\w+)$", error.diag.context or "", re.MULTILINE)
    return found and found[1]


def explain(error: psycopg2.Error) -> DeploymentError:
    """The one wording for a database that refuses or fails, and what to do next."""
    if classify(error) == "deployment":
        return DeploymentError(
            f"The database refuses: {describe(error)}. Run 'prompt-worker migrate', then 'prompt-worker verify'; "
            "a login that runs commands needs the role prompt_operator."
        )
    if error.pgcode == errorcodes.READ_ONLY_SQL_TRANSACTION:
        return DeploymentError(
            f"T{READ_ONLY[1:]}. Completed work is kept; run the command again where DATABASE_URL leads to the primary."
        )
    return DeploymentError(
        f"The database failed: {describe(error)}. Completed work is kept; run the command again."
    )
