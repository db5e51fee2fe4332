"""What failed and why, by cause."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.sweep import sweep_before_reading
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

COLUMNS = 20  # parts that the time is cut into
_SUMMARIZE = statement(__name__, "summarize_dead_letters")


class Group(msgspec.Struct, gc=False):
    """Dead letters of one cause; `parts` counts them in each part of the time that the summary covers."""

    consumer: str
    source: str
    error_class: str
    reason: str  # of the example, the latest one
    number: int
    pending: int
    replayed: int
    resolved: int
    discarded: int
    first_seen: datetime
    last_seen: datetime
    example: UUID
    parts: list[int]


class Summary(msgspec.Struct, gc=False):
    """The largest groups; `causes` and `total` also count those that are left out."""

    total: int
    causes: int
    groups: list[Group]


def summarize(session: Session, which: Filter, *, limit: int = 0) -> Summary:
    """Groups by cause, the `limit` largest (0: all). Raises `DeploymentError`."""
    sweep_before_reading(session)
    condition, parameters = which.where(columns=COLUMNS, limit=limit or None)

    def read(cursor: cursor) -> list[tuple[Any, ...]]:
        # Of a million rows, compiling takes longer than counting, and sorting twice as long as hashing few groups.
        cursor.execute(
            "SET LOCAL jit = off; SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off"
        )
        cursor.execute(_SUMMARIZE.replace("{which}", condition), parameters)
        return cursor.fetchall()

    rows = session.run(read)
    groups = [Group(*(*row[:12], _spread(row[12]))) for row in rows]
    return Summary(rows[0][14], rows[0][13], groups) if rows else Summary(0, 0, [])


def _spread(pairs: Sequence[tuple[int, int]]) -> list[int]:
    parts = [0] * COLUMNS
    for place, number in pairs:
        # The very last one is on the upper bound, which belongs to no part.
        parts[min(place, COLUMNS - 1)] += number
    return parts
