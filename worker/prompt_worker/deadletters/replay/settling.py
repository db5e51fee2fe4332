"""What became of the events of a replay: rows, failures again, or not settled yet.

The age of the oldest one that is not settled is used in place of the age of the subscription's oldest unacknowledged
message, which only Cloud Monitoring knows. Both grow when the workers do not keep up with what is sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.sweep import sweep_before_reading
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.platform.process.wakeup import Wakeup

CHECK_SECONDS = 0.3

_OLDEST = statement(__name__, "oldest_unsettled")
_SETTLED = statement(__name__, "settled")


@dataclass(frozen=True)
class Settled:
    """How many of a replay are `resolved`, `failed` again and `waiting`; why they failed, the most frequent first."""

    resolved: int
    failed: int
    waiting: int
    reasons: tuple[tuple[str, int], ...] = ()


def oldest_unsettled(session: Session, replay: UUID) -> float:
    """The age in seconds of the oldest unsettled event; 0 where all are settled. Raises `DeploymentError`."""
    ((age,),) = _read(session, _OLDEST, replay)
    return float(age)


def settled(session: Session, replay: UUID) -> Settled:
    """What has become of a replay's events until now. Raises `DeploymentError`."""
    numbers = {"resolved": 0, "failed": 0, "waiting": 0}
    reasons: dict[str, int] = {}
    for became, reason, number in _read(session, _SETTLED, replay):
        numbers[became] += number
        if became == "failed":
            reasons[reason] = reasons.get(reason, 0) + number
    return Settled(**numbers, reasons=tuple(sorted(reasons.items(), key=lambda each: -each[1])))


def wait_until_settled(session: Session, replay: UUID, patience: float, stop: Wakeup) -> Settled:
    """Waits until none is waiting, `stop` is set, or nothing more was settled for `patience` seconds."""
    found = settled(session, replay)
    changed_at = time.monotonic()
    while found.waiting and time.monotonic() - changed_at < patience and not stop.wait(CHECK_SECONDS):
        before, found = found, settled(session, replay)
        if found.waiting < before.waiting:
            changed_at = time.monotonic()
    return found


def _read(session: Session, statement: str, replay: UUID) -> list[tuple[Any, ...]]:
    def read(cursor: cursor) -> list[tuple[Any, ...]]:
        cursor.execute(statement, {"replay": replay})
        return cursor.fetchall()

    sweep_before_reading(session)
    return session.run(read)
