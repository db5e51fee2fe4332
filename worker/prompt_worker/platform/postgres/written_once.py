"""Rows that are written once: a batch is one COPY, and the primary key, the event's id, is the idempotency key.

A duplicate fails the COPY, and only then are the stored ids looked up and left out, so the usual batch pays nothing
for idempotency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from psycopg2 import errors
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.primary_key import PrimaryKey
from prompt_worker.platform.postgres.transactions import Transactions


class Row(msgspec.Struct, gc=False):
    """An encoded row. `event_id` is a UUID as its integer, which hashes fast; `position` its message's in the batch."""

    event_id: int
    encoded: bytes
    position: int


class WrittenOnce:
    """Writes rows of `table`. `find_stored` is a statement that finds stored ids among `ids`; `copy` writes rows."""

    def __init__(
        self,
        transactions: Transactions,
        table: str,
        find_stored: str,
        copy: Callable[[Sequence[Row], cursor], None],
    ) -> None:
        self._transactions = transactions
        self._key = PrimaryKey(transactions, table)
        self._find_stored = find_stored
        self._copy = copy
        # Duplicates come in runs: while they do, they are looked up first.
        self._redelivery = False

    def __call__(self, rows: Sequence[Row]) -> set[int]:
        """Writes the rows, in the order of their ids, in one transaction; the ids of those that were stored before it.

        Raises as `Transactions.once` does.
        """
        if not self._redelivery:
            try:
                self._transactions.once(lambda cursor: self._copy(rows, cursor))
            except errors.UniqueViolation as error:
                if not self._key.refused(error):
                    raise
                self._redelivery = True
            else:
                return set()
        stored = self._key.write_missing(rows, self._copy_missing)
        self._redelivery = bool(stored)
        return stored

    def _copy_missing(self, rows: Sequence[Row], cursor: cursor) -> set[int]:
        cursor.execute(self._find_stored, {"ids": [str(UUID(int=row.event_id)) for row in rows]})
        stored = {event_id.int for (event_id,) in cursor}
        self._copy([row for row in rows if row.event_id not in stored], cursor)
        return stored
