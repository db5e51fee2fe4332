"""Who did what to which dead letters, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_ACTIONS = statement(__name__, "past_actions")
_EFFECTS = statement(__name__, "past_effects")


@dataclass(frozen=True)
class PastAction:
    """One entry of the audit; `now` counts the statuses that a replay's events have by now."""

    id: UUID
    action: str
    by: str
    started_at: datetime
    ended_at: datetime | None  # None: still running, or killed
    filter: dict[str, Any]
    details: dict[str, Any]
    counts: dict[str, int]
    now: dict[str, int] | None


@dataclass(frozen=True)
class PastEffect:
    """What an action did to one dead letter; without `status` and `times_seen` where it was purged since."""

    at: datetime
    action: str
    by: str
    dead_letter: UUID
    outcome: str
    reason: str | None
    status: str | None
    times_seen: int | None


def past_actions(session: Session, limit: int) -> list[PastAction]:
    """The latest actions, the newest first. Raises `DeploymentError`."""

    def read(cursor: cursor) -> list[PastAction]:
        cursor.execute(_ACTIONS, {"limit": limit})
        return [PastAction(*row) for row in cursor]

    return session.run(read)


def past_effects(session: Session, id_: UUID, limit: int) -> list[PastEffect]:
    """What was done to one dead letter, or by one action, the oldest first. Raises `DeploymentError`.

    `id_` is the dead letter's, its event's or the action's.
    """

    def read(cursor: cursor) -> list[PastEffect]:
        cursor.execute(_EFFECTS, {"id": id_, "limit": limit})
        return [PastEffect(*row) for row in cursor]

    return session.run(read)
