"""Which experiment or rollout was on a prompt at a moment, in which phase, and where it put a unit."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.event.unit import recorded_unit
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.assignment import Assignment, bucket_of
from prompt_worker.prompts.authoring.reading.state import may_read_changes
from prompt_worker.prompts.registry.experiment import Experiment, Experiments, read_experiments

_AT = statement(__name__, "experiments_at")
_STATUS = statement(__name__, "status_at")
_ACTIVE = "active"


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """`unit` as it is recorded, with its bucket of 10,000 and its arm: None outside of the arms, and without a unit.

    `is_certain`: false where this login may not read whether it was paused then.
    """

    name: str
    experiment_id: UUID
    kind: str
    phase: int
    unit_kind: str
    environment: str | None
    unit: str | None
    bucket: int | None
    arm: str | None
    is_certain: bool


class Found(msgspec.Struct, frozen=True):
    """What a service had of them then."""

    experiments: Experiments
    is_certain: bool = True

    def of(self, name: str) -> Experiment | None:
        return self.experiments.by_name.get(name)

    def enrolled(self, name: str, unit: str | None) -> Enrolled | None:
        experiment = self.of(name)
        if experiment is None:
            return None
        recorded = _stored(recorded_unit(unit)) if unit else None
        seed, ranges = experiment.seed, experiment.ranges
        return Enrolled(
            name=experiment.name,
            experiment_id=experiment.experiment_id,
            kind=experiment.kind,
            phase=experiment.phase,
            unit_kind=experiment.unit_kind,
            environment=experiment.environment,
            unit=recorded,
            bucket=None if recorded is None else bucket_of(seed, recorded),
            arm=None if recorded is None else Assignment(seed, ranges).arm_of(recorded)[1],
            is_certain=self.is_certain,
        )


def _stored(unit: str) -> str:
    """As a column has it: a lone surrogate, as of an argument that is no UTF-8, is U+FFFD."""
    return unit.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_running(cursor: cursor, name: str, at: datetime | None) -> Found:
    """Those that were active then. Raises `psycopg2.Error`."""
    cursor.execute(_AT, {"name": name, "at": at})
    found = cursor.fetchall()
    knows = at is None or may_read_changes(cursor)
    parts, is_certain = [], True
    for *described, status, is_unchanged in found:
        if at is not None and knows:
            was_active = (_status(cursor, described[1], at) or status) == _ACTIVE
        elif is_unchanged:
            was_active = status == _ACTIVE
        else:
            # Its phase had begun and had not ended.
            was_active, is_certain = True, False
        if was_active:
            parts.append(_part(name, described))
    return Found(read_experiments(parts), is_certain)


def _status(cursor: cursor, name: str, at: datetime) -> str | None:
    cursor.execute(_STATUS, {"name": name, "at": at})
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def _part(template_name: str, row: list[Any]) -> msgspec.Raw:
    """As the registry's document has it."""
    id_, name, kind, unit_kind, environment, arms, phase, seed, ranges = row
    return msgspec.Raw(
        msgspec.json.encode(
            {
                "name": name,
                "experiment_id": id_,
                "template_name": template_name,
                "kind": kind,
                "unit_kind": unit_kind,
                "environment": environment,
                "phase": phase,
                "seed": seed,
                "ranges": ranges,
                "arms": arms,
            }
        )
    )
