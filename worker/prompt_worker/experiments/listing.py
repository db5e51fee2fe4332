"""Experiments and their looks as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.stored import Experiment, experiments, find_experiment
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_LOOKS = statement(__name__, "looks")
_LAST_LOOK = statement(__name__, "last_look")
_AUDIT = "SELECT phase, executions, wrong FROM v_ab_test_audit WHERE experiment_id = %(id)s ORDER BY phase"


class StoredLook(msgspec.Struct, frozen=True):
    """`intervals`: by arm, the difference of the primary metric and its interval; of arms that can be compared."""

    id: int
    looked_at: datetime
    phase: int | None
    planned: bool
    verdict: str
    reason: str
    units: int
    p_value: float | None
    ratio_p: float
    intervals: dict[str, tuple[float, float, float]]


# Of ten thousand looks, in one call.
_decode = msgspec.json.Decoder(list[StoredLook]).decode


class PhaseAudit(msgspec.Struct, frozen=True):
    """Executions that were served in a phase, and how many were served another arm than they were assigned."""

    phase: int
    executions: int
    wrong: int


class Shown(msgspec.Struct, frozen=True):
    """One experiment, all numbers of its last look, and whether units were served what they were assigned."""

    experiment: Experiment
    numbers: dict[str, Any] | None
    audit: list[PhaseAudit]


def list_experiments(session: Session) -> list[Experiment]:
    """All of them, the newest first. Raises `DeploymentError`."""
    return session.run(experiments)


def show_experiment(session: Session, name: str) -> Shown:
    """Raises `NoSuchExperimentError`, `DeploymentError`."""

    def work(cursor: cursor) -> Shown:
        found = find_experiment(cursor, name)
        cursor.execute(_LAST_LOOK, {"id": str(found.id)})
        row = cursor.fetchone()
        cursor.execute(_AUDIT, {"id": str(found.id)})
        return Shown(found, row[0] if row else None, [PhaseAudit(*row) for row in cursor])

    return session.run(work)


def list_looks(session: Session, name: str) -> tuple[Experiment, list[StoredLook]]:
    """Every look, the oldest first. Raises `NoSuchExperimentError`, `DeploymentError`."""

    def work(cursor: cursor) -> tuple[Experiment, list[StoredLook]]:
        found = find_experiment(cursor, name)
        cursor.execute(_LOOKS, {"id": str(found.id)})
        ((looks,),) = cursor.fetchall()
        return found, _decode(looks)

    return session.run(work)
