"""A seek of a subscription: what it would deliver again is known before it is done, and the done one is audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.audit import audited
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.pubsub.rewind import Rewind, Snapshot
from prompt_worker.platform.pubsub.topology import Names

COUNTED = 1_000_000  # above it the number says nothing more, and counting takes seconds

_COUNT = statement(__name__, "count_published_since")
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Preview:
    """What a seek would do, before it is done.

    `messages` will be delivered again, counted up to `COUNTED`; None where the database cannot say, which is the case
    for a snapshot of unknown age (`since` is None) and for the topics of others. `kept_since` is the time before which
    Pub/Sub retains nothing.
    """

    subscription: str
    target: datetime | Snapshot
    topic: str
    since: datetime | None
    kept_since: datetime
    messages: int | None
    counts_rows: bool  # rows and dead letters were counted, not dead letters alone

    @property
    def where(self) -> str:
        """The target for people and for the audit."""
        if isinstance(self.target, Snapshot):
            return f"snapshot {self.target.name}"
        return f"{self.target:%Y-%m-%d %H:%M:%S} UTC"


def preview(
    rewind: Rewind, session: Session, names: Names, subscription: str, target: datetime | Snapshot
) -> Preview:
    """Raises `SeekError` where there is no such subscription, and `DeploymentError`."""
    retained = rewind.retained(subscription)
    since = target.created if isinstance(target, Snapshot) else target
    consumer = {names.topic: "executions", names.feedback_topic: "feedback"}.get(retained.topic)
    messages = None
    if since is not None and (consumer or retained.topic == names.dead_letter_topic):
        messages = _count(session, since, consumer)
    of_events = consumer is not None
    return Preview(subscription, target, retained.topic, since, retained.since, messages, of_events)


def seek(rewind: Rewind, session: Session, preview: Preview, *, by: str) -> str:
    """Does it, and returns the name of the snapshot that undoes it. Raises `SeekError`, `DeploymentError`."""
    before = f"before-seek-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    details = {"subscription": preview.subscription, "to": preview.where, "undone by snapshot": before}
    with audited(session, "seek", by, {}, details) as entry:
        rewind.create(preview.subscription, before)
        rewind.seek(preview.subscription, preview.target)
        session.run(entry.done)
    return before


def _count(session: Session, since: datetime, consumer: str | None) -> int:
    def count(cursor: cursor) -> int:
        cursor.execute(
            _COUNT,
            {
                "consumer": consumer,
                "first": str(_earliest_id(since)),
                "last": str(_earliest_id(_LATEST)),
                "since": since,
                "limit": COUNTED,
            },
        )
        ((number,),) = cursor.fetchall()
        return int(number)

    return session.run(count)


def _earliest_id(time: datetime) -> UUID:
    """Less than every version 7 UUID made from then on."""
    return UUID(int=int(time.timestamp() * 1000) << 80)
