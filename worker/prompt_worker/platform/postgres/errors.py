"""Which database errors are transient, which are the event's own fault, and which are the deployment's."""

from __future__ import annotations

import re
from typing import Literal

import psycopg2
from psycopg2 import errorcodes

from prompt_worker.platform.failures import DeploymentError

Kind = Literal["transient", "event", "deployment"]

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
# A row that another worker is writing: once it is committed, this one is a duplicate.
_TRANSIENT = {errorcodes.UNIQUE_VIOLATION}


def classify(error: psycopg2.Error) -> Kind:
    """Anything unknown is transient: an event is never given up for a fault of the server."""
    sqlstate = error.pgcode or ""
    if sqlstate in _TRANSIENT:
        return "transient"
    if sqlstate[:2] in _EVENT:
        return "event"
    if sqlstate[:2] in _DEPLOYMENT:
        return "deployment"
    return "transient"


def describe(error: psycopg2.Error) -> str:
    """The error without the server's message, which may quote the row: condition, SQLSTATE, and what it names."""
    if error.pgcode is None:
        # The client library's own words; of a failed connection they are the only reason known.
        return " ".join(str(error).split()) if isinstance(error, psycopg2.OperationalError) else _words(error)
    named = [
        f"{what} {value}"
        for what in ("column", "constraint", "table")
        if (
            value := getattr(error.diag, f"{what}_name", None) or (what == "column" and _copied_column(error))
        )
    ]
    return ", ".join([f"{_words(error)} ({error.pgcode})", *named])


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
    return DeploymentError(
        f"The database failed: {describe(error)}. Completed work is kept; run the command again."
    )
