"""Dead letters given up, with a reason; and those that are done with, purged. Both told first, both audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, cast
from uuid import UUID

from psycopg2.extensions import cursor
from rich.console import Console

from prompt_worker.commands.progress import progress
from prompt_worker.deadletters.audit import Action, audited
from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.replay.selection import FIRST
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.process.signals import stopped_by_signal

PORTION = 2_000  # events in a transaction

How = Literal["discarded", "purged"]
_STATEMENTS: dict[How, str] = {
    "discarded": statement(__name__, "discard_dead_letters"),
    "purged": statement(__name__, "purge_dead_letters"),
}
# What began to be pending, or was settled, later is left alone.
_ENDABLE: dict[How, str] = {
    "discarded": "d.status IN ('pending', 'replayed') AND d.changed_at <= %(before)s",
    "purged": "d.status IN ('resolved', 'discarded') AND d.changed_at <= %(before)s",
}


@dataclass(frozen=True)
class Ending:
    """Which dead letters end how: those that match, and have not changed since `before`."""

    how: How
    filter: Filter
    before: datetime
    reason: str | None = None

    def count(self, cursor: cursor) -> int:
        condition, parameters = self._where()
        cursor.execute(f"SELECT count(*) FROM dead_letter_events AS d WHERE {condition}", parameters)  # noqa: S608
        ((number,),) = cursor.fetchall()
        return int(number)

    def portion(self, cursor: cursor, after: UUID, action: Action) -> list[UUID]:
        """Their ids; none where no more follow `after`."""
        condition, parameters = self._where()
        own = {"after": after, "number": PORTION, "reason": self.reason}
        cursor.execute(_STATEMENTS[self.how].format(condition=condition), parameters | own)
        ended = cursor.fetchall()
        action.record(cursor, [(id_, event_id, self.how, self.reason) for id_, event_id in ended])
        return [id_ for id_, _ in ended]

    def _where(self) -> tuple[str, dict[str, object]]:
        condition, parameters = self.filter.where()
        return f"{condition} AND {_ENDABLE[self.how]}", parameters | {"before": self.before}


@dataclass(frozen=True)
class Ended:
    """How many matched, how many of them were ended, and whether a signal stopped it before the last."""

    matching: int
    ended: int = 0
    stopped: bool = False


def discard(session: Session, filter_: Filter, reason: str, *, yes: bool, by: str, console: Console) -> Ended:
    """Pending and replayed ones; they are not replayed any more. Raises `DeploymentError`."""
    ending = Ending("discarded", filter_, session.run(_now), reason)
    number = session.run(ending.count)
    console.print(f"{number:,} pending or replayed: {filter_.describe()}")
    if not number or not yes:
        console.print("nothing is discarded" + (" yet: --yes does it" if number else ""))
        return Ended(number)
    with audited(session, "discard", by, filter_.told(), {"reason": reason}) as action:
        return _end(session, ending, action, number, console)


def purge(
    session: Session, filter_: Filter, older_than: timedelta, *, yes: bool, by: str, console: Console
) -> Ended:
    """Resolved and discarded ones that have been so for longer, deleted. Raises `DeploymentError`."""
    ending = Ending("purged", filter_, session.run(_now) - older_than)
    number = session.run(ending.count)
    console.print(
        f"{number:,} resolved or discarded before {ending.before:%Y-%m-%d %H:%M} UTC: {filter_.describe()}"
    )
    if not number or not yes:
        console.print("nothing is purged" + (" yet: --yes does it" if number else ""))
        return Ended(number)
    with audited(session, "purge", by, filter_.told(), {"before": ending.before.isoformat()}) as action:
        return _end(session, ending, action, number, console)


def _end(session: Session, ending: Ending, action: Action, number: int, console: Console) -> Ended:
    after, done = FIRST, 0
    with stopped_by_signal() as stop, progress(ending.how, number) as tell:
        while not stop.is_set():
            ended = session.run(partial(ending.portion, after=after, action=action))
            if ended:
                after, done = max(ended), done + len(ended)
                tell(len(ended))
            elif after == FIRST:
                break
            else:  # once more from the beginning: another transaction may have held some for a moment
                after = FIRST
    console.print(f"{done:,} {ending.how}" + (f", {number - done:,} left: stopped" if stop.is_set() else ""))
    return Ended(number, done, stop.is_set())


def _now(cursor: cursor) -> datetime:
    cursor.execute("SELECT now()")
    ((now,),) = cursor.fetchall()
    return cast(datetime, now)
