"""A command's only way into a transaction: committed or not done, and a database that refuses explained once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from prompt_worker.platform.postgres.errors import explain
from prompt_worker.platform.postgres.transactions import Transactions, is_transient

Result = TypeVar("Result")

ATTEMPTS = 5  # at a transaction that met a lock or a deadlock: a person waits


class Session:
    """On one engine. Everything here raises `DeploymentError` when the database refuses or fails."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, threading.Event())
        self._retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            stop=stop_after_attempt(ATTEMPTS),
            reraise=True,
        )

    def once(self, work: Callable[[cursor], Result]) -> Result:
        """What `work` returns, committed; nothing is done when it fails."""
        with _explained():
            return self._transactions.once(work)

    def run(self, work: Callable[[cursor], Result]) -> Result:
        """`once`, tried a few times against locks and deadlocks."""
        with _explained():
            return cast(Result, self._retrying(self._transactions.once, work))

    @contextmanager
    def streaming(self, name: str) -> Iterator[cursor]:
        """A cursor of the server's called `name`, for more rows than memory should hold."""
        with _explained():
            connection = self.engine.raw_connection()
            try:
                with cast(cursor, connection.cursor(name)) as opened:
                    yield opened
                connection.commit()
            finally:
                connection.close()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise explain(error) from None
