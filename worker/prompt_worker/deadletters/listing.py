"""Dead letters one by one, the newest first, streamed from the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from prompt_worker.deadletters.filters import Filter
from prompt_worker.deadletters.sweep import sweep_before_reading
from prompt_worker.platform.postgres.session import Session


class Listed(msgspec.Struct, gc=False):
    """A dead letter without its payload and attributes, named as its columns are."""

    id: UUID
    status: str
    consumer: str
    source: str
    error_class: str
    reason: str
    event_id: UUID | None
    template_name: str | None
    environment: str | None
    first_seen: datetime
    last_seen: datetime
    times_seen: int
    replay_count: int


COLUMNS = [field.name for field in msgspec.structs.fields(Listed)]


@contextmanager
def listed(
    session: Session, which: Filter, *, limit: int = 0, after: UUID | None = None
) -> Iterator[Iterator[Listed]]:
    """Yields rows while the context lasts, `limit` at most (0: all); `after` is the last id of the page before.

    Pages go by id, which is made when a dead letter is stored and never changes. Raises `DeploymentError`.
    """
    sweep_before_reading(session)
    condition, parameters = which.where(after=after and str(after), limit=limit or None)
    statement = (
        f"SELECT {', '.join(f'd.{name}' for name in COLUMNS)} FROM dead_letter_events d WHERE {condition}"  # noqa: S608
        " AND (%(after)s::uuid IS NULL OR d.id < %(after)s::uuid) ORDER BY d.id DESC LIMIT %(limit)s"
    )
    with session.streaming("dead_letters") as cursor:
        cursor.execute(statement, parameters)
        yield (Listed(*row) for row in cursor)
