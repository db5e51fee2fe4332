"""Work in the database, a transaction each: retried while the error is transient, ended on request.

Every handler writes through this, so all of them react to a lost connection, a deadlock or a missing table alike.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ParamSpec, TypeVar, cast

import psycopg2
from psycopg2.extensions import connection, cursor
from sqlalchemy import Engine, PoolProxiedConnection
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.nap import sleep_using_event

from prompt_worker.platform import telemetry
from prompt_worker.platform.postgres.errors import classify, describe, explain
from prompt_worker.platform.process import health

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
Row = TypeVar("Row")


class Transactions:
    """Transactions on one engine; safe to use from several threads. Setting `stop` ends all retrying."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self._engine = engine
        self._busy: set[PoolProxiedConnection] = set()
        self._retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_random_exponential(multiplier=0.05, max=5.0),
            stop=stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            before_sleep=_report_retry,
            reraise=True,
        )

    def once(self, work: Callable[[cursor], Result]) -> Result:
        """One attempt, committed. Raises `DeploymentError`, or the `psycopg2.Error` that ended it."""
        health.moved()
        connection_ = self._engine.raw_connection()
        self._busy.add(connection_)
        started = time.perf_counter()
        try:
            result = work(cast(cursor, connection_.cursor()))
            connection_.commit()
            telemetry.record("write", time.perf_counter() - started)
        except psycopg2.Error as error:
            if classify(error) == "deployment":
                raise explain(error) from None
            if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
                # It may be dead: the next attempt opens a new one.
                connection_.invalidate()
            raise
        finally:
            self._busy.discard(connection_)
            connection_.close()
        return result

    def run(self, work: Callable[[cursor], Result]) -> Result:
        """`once`, retried while the error is transient."""
        return self.retrying(self.once, work)

    def retrying(
        self, attempt: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """`attempt`, retried while the error is transient. Raises the last error once `stop` is set."""
        return self._retrying(attempt, *args, **kwargs)

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread.

        It shuts their sockets down: psycopg2's own cancel waits for the server and stops every thread meanwhile.
        """
        for busy in list(self._busy):
            # It may have returned to the pool just now.
            with suppress(psycopg2.Error, AttributeError, OSError):
                descriptor = cast(connection, busy.dbapi_connection).fileno()
                with socket.socket(fileno=os.dup(descriptor)) as connected:
                    connected.shutdown(socket.SHUT_RDWR)


def halving(
    rows: Sequence[Row],
    write: Callable[[Sequence[Row]], object],
    refuse: Callable[[Row, psycopg2.Error], None],
) -> None:
    """Writes all rows, in halves where the database refuses one; `refuse` gets each refused row.

    Raises every error that is not a row's own fault.
    """
    if not rows:
        return
    try:
        write(rows)
    except psycopg2.Error as error:
        if classify(error) != "event":
            raise
        if len(rows) == 1:
            refuse(rows[0], error)
            return
    else:
        return
    middle = len(rows) // 2
    halving(rows[:middle], write, refuse)
    halving(rows[middle:], write, refuse)


def is_transient(error: BaseException) -> bool:
    return isinstance(error, psycopg2.Error) and classify(error) == "transient"


def _report_retry(attempt: RetryCallState) -> None:
    error = attempt.outcome.exception() if attempt.outcome else None
    if isinstance(error, psycopg2.Error):
        telemetry.count("retries", sqlstate=error.pgcode or "connection")
        level = logging.WARNING if attempt.attempt_number > 2 else logging.INFO
        log.log(
            level, "database: %s; attempt %d failed, trying again", describe(error), attempt.attempt_number
        )
