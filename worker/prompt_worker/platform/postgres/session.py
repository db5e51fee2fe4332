"""A command's only way into a transaction; what the database refuses is explained in one wording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar, cast

import psycopg2
from psycopg2.extensions import connection, cursor
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.errors import describe, explain, is_transient
from prompt_worker.platform.postgres.transactions import Transactions

Result = TypeVar("Result")

# At a transaction that met a lock or a deadlock: a person waits.
ATTEMPTS = 5


class Session:
    """Transactions on one engine. Everything here raises `DeploymentError` when the database refuses or fails."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, threading.Event())
        self._retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )

    def server_version(self) -> int:
        """As PostgreSQL numbers it: 150004 is 15.4. Raises `DeploymentError` when there is no connection."""
        try:
            with closing(self.engine.raw_connection()) as connected:
                return cast(connection, connected.dbapi_connection).server_version
        except psycopg2.Error as error:
            raise DeploymentError(
                f"No connection to the database in DATABASE_URL: {describe(error)}. "
                "Is it running, and reachable from here?"
            ) from None

    def once(self, work: Callable[[cursor], Result]) -> Result:
        """What `work` returns, once it is committed; rolled back when it fails."""
        with _explained():
            return self._transactions.once(work)

    def run(self, work: Callable[[cursor], Result]) -> Result:
        """`once`, tried a few times where locks or deadlocks get in the way."""
        with _explained():
            return cast(Result, self._retrying(self._transactions.once, work))

    @contextmanager
    def streaming(self, name: str) -> Iterator[cursor]:
        """A server-side cursor called `name`, for more rows than memory should hold."""
        with _explained(), closing(self.engine.raw_connection()) as connected:
            with cast(cursor, connected.cursor(name)) as opened:
                yield opened
            connected.commit()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise explain(error) from None
