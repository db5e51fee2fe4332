"""Work in the database, a transaction each: retried while the error is transient, ended on request.

Every handler writes through this, so all of them react to a lost connection, a deadlock or a missing table alike.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
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
from prompt_worker.platform.postgres.errors import (
    classify,
    describe,
    explain,
    is_transient,
    may_pass,
)
from prompt_worker.platform.process import health

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

# After so long without a success, an error that is not known is taken for the deployment's.
PATIENCE = 120.0


class Transactions:
    """Transactions on one engine; safe to use from several threads. Setting `stop` ends all retrying."""

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self._engine = engine
        self._stop = stop
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
            kind = classify(error)
            if kind != "event":
                # It may be dead, or lead to a server that is no longer the primary: the next attempt opens a new one.
                connection_.invalidate()
            if kind == "deployment":
                raise explain(error) from None
            raise
        finally:
            self._busy.discard(connection_)
            connection_.close()
        return result

    def run(self, work: Callable[[cursor], Result]) -> Result:
        """`once`, retried while the error passes or may pass; one that is not known for `PATIENCE` seconds at most.

        Raises `DeploymentError`, or the last `psycopg2.Error` once `stop` is set.
        """
        started = time.monotonic()

        def patient(error: BaseException) -> bool:
            return is_transient(error) or (may_pass(error) and time.monotonic() - started < PATIENCE)

        try:
            return cast(Result, self._retrying.copy(retry=retry_if_exception(patient))(self.once, work))
        except psycopg2.Error as error:
            if classify(error) == "unknown" and not self._stop.is_set():
                raise explain(error) from None
            raise

    def retrying(
        self, attempt: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """`attempt`, retried while the error passes. Raises each other one, and the last once `stop` is set."""
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


def _report_retry(attempt: RetryCallState) -> None:
    error = attempt.outcome.exception() if attempt.outcome else None
    if isinstance(error, psycopg2.Error):
        telemetry.count("retries", sqlstate=error.pgcode or "connection")
        level = logging.WARNING if attempt.attempt_number > 2 else logging.INFO
        log.log(
            level, "database: %s; attempt %d failed, trying again", describe(error), attempt.attempt_number
        )
