"""Is a row already stored, or does it break another rule? Both are unique violations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from psycopg2 import errors
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.errors import WrittenMeanwhileError
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.postgres.transactions import Transactions

Row = TypeVar("Row")
Result = TypeVar("Result")

_IS_PRIMARY = statement(__name__, "is_primary_key")


class PrimaryKey:
    """The primary key of `table`, or of a partition of it, whatever its name: what it refuses is a duplicate."""

    def __init__(self, transactions: Transactions, table: str) -> None:
        self._transactions = transactions
        self._table = table
        # By schema and name of an index.
        self._known: dict[tuple[str | None, str | None], bool] = {}

    def refused(self, error: errors.UniqueViolation) -> bool:
        """Whether it is this key that was violated. Asks the database once for each index."""
        named = error.diag.schema_name, error.diag.constraint_name
        if named not in self._known:
            self._known[named] = self._transactions.run(lambda cursor: self._is_primary(cursor, *named))
        return self._known[named]

    def write_missing(self, rows: Sequence[Row], write: Callable[[Sequence[Row], cursor], Result]) -> Result:
        """`write` in a transaction, which leaves out what is stored. Raises as `Transactions.once` does.

        What another worker commits meanwhile is a `WrittenMeanwhileError`, so that it is tried again.
        """
        try:
            return self._transactions.once(lambda cursor: write(rows, cursor))
        except errors.UniqueViolation as error:
            if self.refused(error):
                raise WrittenMeanwhileError("another worker wrote some of these events") from None
            raise

    def _is_primary(self, cursor: cursor, schema: str | None, name: str | None) -> bool:
        cursor.execute(_IS_PRIMARY, {"table": self._table, "schema": schema, "name": name})
        return cursor.fetchone() is not None
