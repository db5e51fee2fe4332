"""Dead letters stored at the same moment as their event's row: neither saw the other, a look afterwards does."""

from __future__ import annotations

import logging
import threading

import psycopg2
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.transactions import Transactions

log = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0


def sweep(cursor: cursor) -> None:
    """Resolves those whose event has become a row: whoever reads dead letters does this first."""
    cursor.execute("SELECT resolve_dead_letters()")


def sweeping(transactions: Transactions, stop: threading.Event) -> threading.Thread:
    """Sweeps now and then until `stop` is set, on a thread of its own."""

    def sweep_until_stop() -> None:
        while not stop.is_set():
            try:
                transactions.once(sweep)
            except psycopg2.Error:
                pass  # away, or waited for too long: the next one looks at these too
            except Exception as error:
                log.warning("dead letters are not swept: %s", error)
            stop.wait(SWEEP_SECONDS)

    thread = threading.Thread(target=sweep_until_stop, name="sweep", daemon=True)
    thread.start()
    return thread
