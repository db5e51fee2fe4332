"""Resolves dead letters stored at the same moment as their event's row, when neither transaction saw the other."""

from __future__ import annotations

import logging
import threading

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.transactions import Transactions

log = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0


def sweep(cursor: cursor) -> None:
    """Resolves those whose event has become a row. Call it before reading dead letters."""
    cursor.execute("SELECT resolve_dead_letters()")


def start_sweeping(transactions: Transactions, stop: threading.Event) -> threading.Thread:
    """Sweeps every `SWEEP_SECONDS` until `stop` is set, on a thread of its own."""

    def sweep_until_stop() -> None:
        while not stop.is_set():
            try:
                transactions.once(sweep)
            except psycopg2.Error:
                # Unavailable, or waited too long for a lock: the next sweep covers these too.
                pass
            except Exception as error:
                log.warning("dead letters were not swept: %s", error)
            stop.wait(SWEEP_SECONDS)

    thread = threading.Thread(target=sweep_until_stop, name="sweep", daemon=True)
    thread.start()
    return thread
