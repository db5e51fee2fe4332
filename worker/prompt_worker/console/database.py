"""The database of the pages: reading, where a slow statement costs one block of a page, and acting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import cursor

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.errors import classify, describe, is_transient
from prompt_worker.platform.postgres.session import Session

Result = TypeVar("Result")
Loaded = TypeVar("Loaded")

# Of one statement of a page.
READ_MS = 800
ACT_MS = 30_000
# What fails later than this was no old connection.
RESTARTED_SECONDS = 0.5
# Requests that read at the same time; others wait for their turn.
POOL = 8
_TOO_LONG = "This took too long. Choose less: one prompt, or a shorter time."


class PageSession(Session):
    """Each transaction once, since whoever looks at a page loads it again; once more where a server was restarted."""

    def run(self, work: Callable[[cursor], Result]) -> Result:
        started = time.monotonic()
        try:
            return self.once(work)
        except DeploymentError as error:
            waited = time.monotonic() - started
            if waited > RESTARTED_SECONDS or not is_transient(error.__context__ or error):
                raise
        # The connections that were open lead to a server that is gone.
        self.engine.dispose()
        return self.once(work)


class Database:
    """`reading` is for what pages show, `acting` for what people change. Connects on first use."""

    def __init__(self, url: str) -> None:
        name = "prompt-worker console"
        self._engines = [
            connect(url, application_name=name, pool_size=POOL, statement_timeout_ms=READ_MS),
            connect(url, application_name=name, pool_size=POOL // 2, statement_timeout_ms=ACT_MS),
        ]
        self.reading: Session = PageSession(self._engines[0])
        self.acting = Session(self._engines[1])

    def read(self, work: Callable[[cursor], Result]) -> Result:
        """What `work` returns, in a transaction that cannot write. Raises `DeploymentError`."""

        def read_only(cursor: cursor) -> Result:
            cursor.execute("SET TRANSACTION READ ONLY")
            return work(cursor)

        return self.reading.run(read_only)

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()


class Block(msgspec.Struct, Generic[Loaded], frozen=True):
    """A part of a page: its value, or why it is missing."""

    value: Loaded | None
    problem: str | None = None


def block(load: Callable[[], Loaded]) -> Block[Loaded]:
    """What `load` returns, or what to say in its place where the database refuses it or takes too long."""
    try:
        return Block(load())
    except DeploymentError as error:
        return Block(None, why_missing(error))


def is_refused(error: DeploymentError) -> bool:
    """Whether the login lacks a right."""
    return getattr(error.__context__, "pgcode", None) == errorcodes.INSUFFICIENT_PRIVILEGE


def why_missing(error: DeploymentError) -> str:
    """For whoever looks at a page: no command is to be run again."""
    cause = error.__context__
    if not isinstance(cause, psycopg2.Error) or classify(cause) == "deployment":
        return str(error)
    if cause.pgcode == errorcodes.QUERY_CANCELED:
        return _TOO_LONG
    return f"The database says: {describe(cause)}."
