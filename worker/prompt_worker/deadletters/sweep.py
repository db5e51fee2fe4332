"""Resolves dead letters stored at the same moment as their event's row, when neither transaction saw the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.transactions import Transactions

log = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
BATCH = 2_000  # dead letters in a transaction
READER_SECONDS = 2.0  # that a command sweeps at most before it reads: the worker sweeps too


def sweep(transactions: Transactions, go_on: Callable[[], bool]) -> int:
    """Resolves those whose event has become a row, a batch a transaction while `go_on` says so; how many it checked.

    What was swept stays swept, whatever comes after. Raises `DeploymentError`, `psycopg2.Error`.
    """
    total, checked = 0, BATCH
    while checked == BATCH and go_on():
        checked = transactions.once(_sweep_batch)
        total += checked
    return total


def _sweep_batch(cursor: cursor) -> int:
    cursor.execute("SELECT checked FROM sweep_dead_letters(%s)", (BATCH,))
    ((checked,),) = cursor.fetchall()
    return int(checked)


def sweep_before_reading(session: Session) -> None:
    """Sweeps for a moment. What is read afterwards may be some seconds old where that fails, which is logged."""
    until = time.monotonic() + READER_SECONDS
    try:
        sweep(Transactions(session.engine, threading.Event()), lambda: time.monotonic() < until)
    except DeploymentError as error:
        # Reading says the same where it fails too; a login that may only read gets what it may read.
        log.info("dead letters were not swept: %s", error)
    except psycopg2.Error as error:
        log.warning("dead letters were not swept, statuses may be some seconds old: %s", describe(error))


def start_sweeping(transactions: Transactions, stop: threading.Event) -> threading.Thread:
    """Sweeps every `SWEEP_SECONDS` until `stop` is set, on a thread of its own."""

    def sweep_until_stop() -> None:
        while not stop.is_set():
            _sweep_and_log(transactions, stop)
            stop.wait(SWEEP_SECONDS)

    thread = threading.Thread(target=sweep_until_stop, name="sweep", daemon=True)
    thread.start()
    return thread


def _sweep_and_log(transactions: Transactions, stop: threading.Event) -> None:
    try:
        checked = sweep(transactions, lambda: not stop.is_set())
    except Exception as error:
        why = describe(error) if isinstance(error, psycopg2.Error) else error
        log.warning("dead letters were not swept: %s; the next attempt goes on from here", why)
    else:
        if checked >= BATCH:
            log.info("%d dead letters swept", checked)
