"""The frame around every handler's work: what is settled when the database fails, and what repeats follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from prompt_worker.consuming.outcome import Outcome, Verdict
from prompt_worker.platform.postgres.transactions import is_transient

# Positions in the batch: of a message, and of the first one with the same event.
Repeats = list[tuple[int, int]]


@contextmanager
def settling(number: int) -> Iterator[tuple[list[Outcome], Repeats]]:
    """The outcomes of `number` messages and a list for repeats, both to be filled while it lasts.

    An outcome that is not set is a retry, also when a transient error of the database ends the work. In the end each
    repeat follows the first message of its event: a duplicate if that was written. Raises every other error.
    """
    outcomes: list[Outcome] = [Verdict.RETRY] * number
    repeats: Repeats = []
    try:
        yield outcomes, repeats
    except psycopg2.Error as error:
        if not is_transient(error):
            raise
    for position, first in repeats:
        outcomes[position] = Verdict.DUPLICATE if outcomes[first] is Verdict.WRITTEN else outcomes[first]
