"""Adds what batches counted to the counters' columns, once a second: a batch leaves deltas, and waits for nobody.

The views are exact without it. It keeps the columns, which other programs read, no more than two seconds old.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

import psycopg2
from psycopg2.extensions import cursor
from sqlalchemy import Engine

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.errors import describe
from prompt_worker.platform.postgres.transactions import Transactions

log = logging.getLogger(__name__)

FOLD_SECONDS = 1.0
# For the last one, when a worker ends: what it leaves is folded by the next worker.
LAST_SECONDS = 1.0
# Between attempts while another session folds.
BUSY_SECONDS = 0.02


@contextmanager
def folding(engine: Engine) -> Iterator[None]:
    """Folds every `FOLD_SECONDS` on a thread of its own, and once more at the end. Takes a connection of `engine`."""
    transactions, over = Transactions(engine, threading.Event()), threading.Event()

    def fold_until_over() -> None:
        failing = False
        while not over.wait(FOLD_SECONDS):
            failing = _fold(transactions, quiet=failing) is Folded.FAILED
        # Another worker that folds now may have begun before our last batch.
        until = time.monotonic() + LAST_SECONDS
        while _fold(transactions, quiet=True) is Folded.BUSY and time.monotonic() < until:
            time.sleep(BUSY_SECONDS)

    thread = threading.Thread(target=fold_until_over, name="folding", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LAST_SECONDS)


class Folded(Enum):
    DONE = auto()
    BUSY = auto()
    FAILED = auto()


def _fold(transactions: Transactions, *, quiet: bool) -> Folded:
    try:
        changed = transactions.once(_call)
    except (psycopg2.Error, DeploymentError) as error:
        if not quiet:
            why = describe(error) if isinstance(error, psycopg2.Error) else error
            log.warning("statistics are not folded, their columns grow older; the views stay exact: %s", why)
        return Folded.FAILED
    return Folded.BUSY if changed is None else Folded.DONE


def _call(cursor: cursor) -> int | None:
    """How many counted things the fold changed; None while another session folds."""
    cursor.execute("SELECT fold_statistics()")
    ((changed,),) = cursor.fetchall()
    return None if changed is None else int(changed)
