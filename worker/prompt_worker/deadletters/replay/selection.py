"""The dead letters of one replay, in portions of bounded size: those that stood so when it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.filters import Consumer, Filter
from prompt_worker.platform.postgres.statements import statement

PORTION = 500  # events; and bytes of their bodies, above which no other is added:
PORTION_BYTES = 8_000_000
FIRST = UUID(int=0)

_CHUNK = statement(__name__, "replay_chunk")
_COUNT = """
SELECT count(*) FILTER (WHERE {fresh}), count(*) FILTER (WHERE NOT {fresh}), now()
FROM dead_letter_events AS d WHERE {condition} AND d.superseded_by IS NULL
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One that may be sent again. `payload` and `attributes` are those of its publisher's message."""

    id: UUID
    event_id: UUID | None
    consumer: Consumer
    error_class: str
    reason: str
    payload: bytes
    attributes: Mapping[str, str]
    replay_count: int


@dataclass(frozen=True)
class Selection:
    """`filter` with those replayed fewer than `most_replays` times (None: any) and not edited into a copy.

    Of these only what has not changed since `before`: so no replay sends twice what another one, running beside it,
    has sent, nor what fails again meanwhile.
    """

    filter: Filter
    most_replays: int | None
    before: datetime
    events: int  # how many there were then
    refused: int  # and how many more that were replayed too often

    @staticmethod
    def now(cursor: cursor, filter_: Filter, most_replays: int | None) -> Selection:
        condition, parameters = filter_.where()
        fresh = "(%(most_replays)s::integer IS NULL OR d.replay_count < %(most_replays)s)"
        cursor.execute(
            _COUNT.format(fresh=fresh, condition=condition), parameters | {"most_replays": most_replays}
        )
        ((events, refused, before),) = cursor.fetchall()
        return Selection(filter_, most_replays, before, events, refused)

    def read(self, cursor: cursor, after: UUID, number: int) -> list[DeadLetter]:
        """At most `number` that follow `after`, by their ids."""
        return self._read(cursor, after, number, "")

    def lock(self, cursor: cursor, after: UUID, number: int) -> list[DeadLetter]:
        """The same, held until the transaction ends; those that another transaction holds are passed over."""
        return self._read(cursor, after, number, "FOR UPDATE SKIP LOCKED")

    def _read(self, cursor: cursor, after: UUID, number: int, lock: str) -> list[DeadLetter]:
        condition, parameters = self.filter.where()
        own = {
            "most_replays": self.most_replays,
            "before": self.before,
            "after": after,
            "number": number,
            "bytes": PORTION_BYTES,
        }
        cursor.execute(_CHUNK.format(condition=condition, lock=lock), parameters | own)
        return [
            DeadLetter(id_, event_id, consumer, error_class, reason, bytes(payload), attributes, replays)
            for id_, event_id, consumer, error_class, reason, payload, attributes, replays in cursor
        ]
