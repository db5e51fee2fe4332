"""`prompt-worker seek`: what it would bring back and what it would drop, said before it is done."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from psycopg2.extensions import cursor
from rich.console import Console

from prompt_worker.deadletters.audit import audited
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.pubsub.rewind import Retention, Snapshot
from prompt_worker.platform.pubsub.topology import Names

COUNTED = 1_000_000  # above it the number says nothing more, and counting takes seconds

_PUBLISHED_SINCE = statement(__name__, "published_since")
_DONE = """UPDATE dead_letter_actions SET counts = '{"done": 1}' WHERE id = %s"""
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def seek(
    retention: Retention,
    session: Session,
    names: Names,
    subscription: str,
    target: datetime | Snapshot,
    *,
    yes: bool,
    by: str,
    console: Console,
) -> None:
    """Tells, and with `yes` does it. Raises `SeekError`, `DeploymentError`."""
    source = retention.source(subscription)
    if isinstance(target, Snapshot):
        where, since = f"snapshot {target.name}", target.created
    else:
        where, since = f"{target:%Y-%m-%d %H:%M:%S} UTC", target
    console.print(f"{subscription} to {where}:")
    console.print(f"- {_comes_again(session, names, source.topic, since)}")
    console.print("- what is stored already is recognised as a duplicate: no row and no counter changes")
    if isinstance(target, datetime):
        console.print("- what was published before then and still waits is DROPPED from the subscription")
        if target < source.begins:
            console.print(
                f"- Pub/Sub keeps what was published since {source.begins:%Y-%m-%d %H:%M} UTC, nothing older"
            )
    if not yes:
        console.print("nothing is done yet: --yes does it")
        return
    before = f"before-seek-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    told = {"subscription": subscription, "to": where, "undone by snapshot": before}
    with audited(session, "seek", by, {}, told) as action:
        retention.create(subscription, before)
        retention.seek(subscription, target)
        session.run(lambda cursor: cursor.execute(_DONE, (action.id,)))
    console.print(f"done; undo it with: prompt-worker seek {subscription} --snapshot {before} --yes")


def _comes_again(session: Session, names: Names, topic: str, since: datetime | None) -> str:
    """How many messages, as far as the database can tell."""
    if since is None:
        return "how many messages come again is not known: another program made the snapshot"
    if topic not in (names.topic, names.dead_letter_topic):
        return f"how many messages come again is not known: it is a subscription of {topic}"

    def count(cursor: cursor) -> int:
        cursor.execute(
            _PUBLISHED_SINCE,
            {
                "events": topic == names.topic,
                "first": str(_earliest_id(since)),
                "last": str(_earliest_id(_LATEST)),
                "since": since,
                "limit": COUNTED,
            },
        )
        ((number,),) = cursor.fetchall()
        return int(number)

    number = session.run(count)
    about = f"more than {COUNTED:,}" if number >= COUNTED else f"about {number:,}"
    stored = "rows and dead letters" if topic == names.topic else "dead letters"
    return (
        f"{about} messages come again: the {stored} stored since then. Not counted: events published twice, "
        "events that still wait, and those whose id is not a UUID of version 7"
    )


def _earliest_id(time: datetime) -> UUID:
    """Less than every version 7 UUID made from then on."""
    return UUID(int=int(time.timestamp() * 1000) << 80)
