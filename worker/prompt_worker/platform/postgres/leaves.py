"""The months of a partitioned table, which workers write to without the table between.

A COPY into the partitioned table itself goes row by row where triggers read the inserted rows; into a month it goes by
the page. What fits no month goes to the table, which finds the right partition.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from psycopg2 import errors
from psycopg2.extensions import cursor

from prompt_worker.platform import telemetry
from prompt_worker.platform.postgres.errors import LeafGoneError
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions

Row = TypeVar("Row")

# Seconds after which months are looked up again: a late one may have been made.
KEPT_SECONDS = 60.0

_FIND = statement(__name__, "find_leaves")
_GONE = (errors.UndefinedTable, errors.ObjectNotInPrerequisiteState, errors.InsufficientPrivilege)


class Leaves:
    """Remembers the months of `table`, for a while; safe to use from several threads. Ids are UUIDs as integers."""

    def __init__(
        self, transactions: Transactions, table: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transactions = transactions
        self._table = table
        self._clock = clock
        # Lowest ids in order; for each its month's name, and the first id beyond it.
        self._known: tuple[list[int], list[tuple[str, int]]] = ([], [])
        self._expires_at = clock()
        self._watched = False

    def months_ahead(self) -> int:
        """How many months after this one are there, without a gap."""
        lows, leaves = self._known
        now = int(time.time() * 1000) << 80
        place = bisect_right(lows, now)
        following = lows[place:]
        ends = [beyond for _, beyond in leaves[place:]]
        whole = [low == end for low, end in zip(following[1:], ends, strict=False)]
        return len(following) if all(whole) else whole.index(False) + 1

    def refresh(self) -> None:
        """Call it once for each batch. Raises as `Transactions.run` does."""
        if self._clock() >= self._expires_at:
            found = self._transactions.run(self._find)
            self._known = [low for low, _, _ in found], [(name, beyond) for _, name, beyond in found]
            self._expires_at = self._clock() + KEPT_SECONDS
            if not self._watched:
                self._watched = True
                telemetry.watch("months_ahead", self.months_ahead, table=self._table)

    def split(self, rows: Sequence[Row], key: Callable[[Row], int]) -> Iterator[Sequence[Row]]:
        """Rows in the order of their ids, in runs of one month each: nearly always one run."""
        lows, leaves = self._known
        start = 0
        while start < len(rows):
            place = bisect_right(lows, key(rows[start]))
            # Up to the end of its month, or up to the next month where it is in none.
            end = lows[place] if place < len(lows) else 1 << 128
            if place and key(rows[start]) < leaves[place - 1][1]:
                end = leaves[place - 1][1]
            stop = len(rows) if key(rows[-1]) < end else bisect_right(rows, end - 1, lo=start, key=key)
            yield rows[start:stop]
            start = stop

    def table_for(self, first: int, last: int) -> str:
        """Where rows with these ids, and those between, are written: their month, quoted, or the table."""
        lows, leaves = self._known
        place = bisect_right(lows, first)
        if place and last < leaves[place - 1][1]:
            return leaves[place - 1][0]
        return self._table

    @contextmanager
    def writing_to(self, table: str) -> Iterator[None]:
        """Around a write to `table`. Raises `LeafGoneError`, which passes, where that is no month of ours any more."""
        try:
            yield
        except _GONE:
            if table == self._table:
                raise
            # Until they are looked up, all goes to the table.
            self._known = ([], [])
            raise LeafGoneError(f"{table} is no month of {self._table} any more") from None

    def _find(self, cursor: cursor) -> list[tuple[int, str, int]]:
        cursor.execute(_FIND, {"table": self._table})
        return [(int(low, 16), name, int(beyond, 16)) for name, low, beyond in cursor]
