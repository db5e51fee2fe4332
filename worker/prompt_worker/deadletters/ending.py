"""The two ends of a dead letter: discarded with a reason, or purged once it is settled. Both are audited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, cast
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.audit import AuditEntry, Effect, Operation, audited
from prompt_worker.deadletters.filters import LOWEST_ID, Filter
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.process.wakeup import Wakeup

BATCH = 2_000  # dead letters in a transaction

End = Literal["discarded", "purged"]

_OPERATIONS: dict[End, Operation] = {"discarded": "discard", "purged": "purge"}
_STATEMENTS: dict[End, str] = {
    "discarded": statement(__name__, "discard_dead_letters"),
    "purged": statement(__name__, "purge_dead_letters"),
}
# What became pending, or was settled, later is left alone.
_ENDABLE: dict[End, str] = {
    "discarded": "d.status IN ('pending', 'replayed') AND d.changed_at <= %(before)s",
    "purged": "d.status IN ('resolved', 'discarded') AND d.changed_at <= %(before)s",
}


@dataclass(frozen=True)
class Ending:
    """The dead letters that are to end: those that match `filter` and have not changed since `before`."""

    end: End
    filter: Filter
    before: datetime
    matching: int
    reason: str | None = None

    def end_batch(self, cursor: cursor, after: UUID, entry: AuditEntry) -> list[UUID]:
        """Ends the next ones that follow `after` and returns their ids; an empty list where no more follow."""
        own = {"after": after, "number": BATCH, "discard_reason": self.reason}
        condition, parameters = _where(self.end, self.filter, self.before, **own)
        cursor.execute(_STATEMENTS[self.end].format(condition=condition), parameters)
        ended = cursor.fetchall()
        entry.record(cursor, [Effect(id_, event_id, self.end, self.reason) for id_, event_id in ended])
        return [id_ for id_, _ in ended]


@dataclass(frozen=True)
class Ended:
    """How many matched, how many of them were ended, and whether a signal stopped it before the last."""

    matching: int
    ended: int = 0
    stopped: bool = False


def prepare_discard(session: Session, filter_: Filter, reason: str) -> Ending:
    """Finds pending and replayed ones; once discarded they are not replayed any more. Raises `DeploymentError`."""
    return session.run(lambda cursor: _find(cursor, "discarded", filter_, timedelta(0), reason))


def prepare_purge(session: Session, filter_: Filter, older_than: timedelta) -> Ending:
    """Finds those that have been resolved or discarded for longer than that. Raises `DeploymentError`."""
    return session.run(lambda cursor: _find(cursor, "purged", filter_, older_than))


def carry_out(
    session: Session, ending: Ending, *, by: str, stop: Wakeup, progress: Callable[[int], None]
) -> Ended:
    """Ends them in batches, each a transaction. Raises `DeploymentError`.

    `progress` is called with the size of each batch; a set `stop` ends it between two.
    """
    why = {"reason": ending.reason} if ending.end == "discarded" else {"before": ending.before.isoformat()}
    after, done = LOWEST_ID, 0
    with audited(session, _OPERATIONS[ending.end], by, ending.filter.as_json(), why) as entry:
        while not stop.is_set():
            ended = session.run(partial(ending.end_batch, after=after, entry=entry))
            if ended:
                after, done = max(ended), done + len(ended)
                progress(len(ended))
            elif after == LOWEST_ID:
                break
            else:
                # Once more from the beginning: another transaction may have held some for a moment.
                after = LOWEST_ID
    return Ended(ending.matching, done, stop.is_set())


def _find(
    cursor: cursor, end: End, filter_: Filter, older_than: timedelta, reason: str | None = None
) -> Ending:
    cursor.execute("SELECT now()")
    ((now,),) = cursor.fetchall()
    before = cast(datetime, now) - older_than
    condition, parameters = _where(end, filter_, before)
    cursor.execute(f"SELECT count(*) FROM dead_letter_events AS d WHERE {condition}", parameters)  # noqa: S608
    ((matching,),) = cursor.fetchall()
    return Ending(end, filter_, before, int(matching), reason)


def _where(end: End, filter_: Filter, before: datetime, **own: object) -> tuple[str, dict[str, object]]:
    condition, parameters = filter_.where(before=before, **own)
    return f"{condition} AND {_ENDABLE[end]}", parameters
