"""The dead letters of one replay, in batches of bounded size, as they were when the replay began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.filters import Filter, WorkerName
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

BATCH = 500  # dead letters at most
BATCH_BYTES = 8_000_000  # of their bodies, above which no other is added

_NEXT = statement(__name__, "next_batch")
_LAST = statement(__name__, "last_of_selection")
_COUNT = statement(__name__, "count_replayable")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One that may be sent again. `payload` and `attributes` are those of its publisher's message."""

    id: UUID
    event_id: UUID | None
    consumer: WorkerName
    error_class: str
    reason: str
    payload: bytes
    attributes: Mapping[str, str]
    replay_count: int


@dataclass(frozen=True)
class Selection:
    """What matches `filter`, was replayed fewer than `most_replays` times (None: any) and has no corrected copy.

    Of these only what has not changed since `before`. So no replay sends again what another one, running beside it,
    has sent, or what fails again meanwhile. `last`: and none whose id is higher.
    """

    filter: Filter
    limit: int | None
    most_replays: int | None
    before: datetime
    matching: int
    refused: int  # and how many more that were replayed too often
    last: UUID | None = None

    @property
    def size(self) -> int:
        """How many are to be sent: those that match, `limit` at most."""
        return min(self.matching, self.limit or self.matching)

    def find_last(self, cursor: cursor) -> UUID | None:
        """The highest id of those that are to be sent; None where there are none."""
        if not self.size:
            return None
        condition, parameters = self.filter.where(
            most_replays=self.most_replays, before=self.before, size=self.size
        )
        cursor.execute(_LAST.format(condition=condition), parameters)
        row = cursor.fetchone()
        return None if row is None else UUID(str(row[0]))

    def read(self, cursor: cursor, after: UUID, number: int) -> list[DeadLetter]:
        """Reads at most `number` that follow the id `after`, in the order of their ids."""
        return self._read(cursor, after, number, "")

    def lock(self, cursor: cursor, after: UUID, number: int) -> list[DeadLetter]:
        """Reads and locks them until the transaction ends; those that another transaction holds are skipped."""
        return self._read(cursor, after, number, "FOR UPDATE SKIP LOCKED")

    def _read(self, cursor: cursor, after: UUID, number: int, lock: str) -> list[DeadLetter]:
        condition, parameters = self.filter.where(
            most_replays=self.most_replays,
            before=self.before,
            after=after,
            last=self.last and str(self.last),
            number=number,
            bytes=BATCH_BYTES,
        )
        cursor.execute(_NEXT.format(condition=condition, lock=lock), parameters)
        return [
            DeadLetter(id_, event_id, consumer, error_class, reason, bytes(payload), attributes, replays)
            for id_, event_id, consumer, error_class, reason, payload, attributes, replays in cursor
        ]


def select(session: Session, filter_: Filter, *, limit: int | None, most_replays: int | None) -> Selection:
    """Counts what a replay that begins now would send. Raises `DeploymentError`."""

    def count(cursor: cursor) -> Selection:
        condition, parameters = filter_.where(most_replays=most_replays)
        cursor.execute(_COUNT.format(condition=condition), parameters)
        ((matching, refused, before),) = cursor.fetchall()
        return Selection(filter_, limit, most_replays, before, matching, refused)

    return session.run(count)
