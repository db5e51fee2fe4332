"""A guarded rollout: which part of the units a new version gets, and what became of those until now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.assignment import Range, read_ranges

# Seconds; an evaluator looks each minute.
UNWATCHED = 600.0
_ROLLOUT = statement(__name__, "rollout")


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """`units` that were served, and how many of them had a failure, as the last look at this step saw them."""

    version: int
    units: int | None = None
    failing: int | None = None


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """Of the prompt `name`, at its present or last step. `steps` and `percent`: the canary's part of all units.

    `since`: when this step began; `looked_at`: None where nobody has looked at it yet; `unwatched_seconds`: since then,
    or since it began; `excluded`: calls that do not count, by the reason; `promoted`: it ended with its version in
    production.
    """

    id: UUID
    experiment: str
    name: str
    status: Literal["active", "paused", "completed", "cancelled"]
    control: Arm
    canary: Arm
    phase: int
    percent: float
    steps: list[float]
    since: datetime
    why: str
    by: str
    ended_at: datetime | None
    promoted: bool
    unit_kind: Literal["user", "session"]
    auto_rollback: bool
    counts_violations: bool
    verdict: str | None
    reason: str | None
    looked_at: datetime | None
    unwatched_seconds: float
    excluded: dict[str, int] | None
    seed: str
    ranges: list[Range]

    @property
    def is_running(self) -> bool:
        return self.status in ("active", "paused")

    @property
    def unwatched(self) -> str | None:
        """A sentence where nobody has looked lately, so that nothing guards it."""
        if self.looked_at is not None and self.unwatched_seconds < UNWATCHED:
            return None
        lately = "" if self.looked_at is None else f" for {timedelta(seconds=int(self.unwatched_seconds))}"
        return f"nobody has looked at this step{lately}: is 'prompt-worker run experiments' running?"

    @property
    def is_bad(self) -> bool:
        """Whether a look found what no one should go on with."""
        return self.verdict in ("harmful", "invalid", "srm_failed")

    @property
    def next_step(self) -> float | None:
        return next((step for step in self.steps if step > self.percent), None)


def read_rollout(cursor: cursor, name: str) -> Rollout | None:
    """The prompt's newest, at its last step."""
    cursor.execute(_ROLLOUT, {"name": name})
    row = cursor.fetchone()
    return None if row is None else _rollout(row[0])


def running_rollout(cursor: cursor, name: str) -> Rollout | None:
    """The one that is on now, paused ones included."""
    found = read_rollout(cursor, name)
    return found if found is not None and found.is_running else None


def _rollout(document: dict[str, Any]) -> Rollout:
    document["ranges"] = read_ranges(document["ranges"])
    return msgspec.convert(document, Rollout, strict=False)
