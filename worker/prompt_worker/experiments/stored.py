"""An experiment as the database has it: what was planned, its arms' templates, its phases."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.allocation import shares_of
from prompt_worker.experiments.errors import ExperimentError, NoSuchExperimentError
from prompt_worker.experiments.judging.evidence import CONTROL, ExperimentKind, Plan
from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.assignment import BUCKETS, Range, read_ranges

Status = Literal["draft", "active", "paused", "completed", "cancelled"]
RUNNING = ("active", "paused")

_EXPERIMENT = statement(__name__, "experiment")


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """How units are assigned from `started_at` on. `restarts`: the comparison begins again with it."""

    phase: int
    seed: str
    ranges: list[Range]
    restarts: bool
    why: str
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def percent_of(self, arm: str) -> float:
        """Of all units, those in any arm or in none."""
        return sum(each.beyond - each.start for each in self.ranges if each.arm == arm) / BUCKETS * 100

    @property
    def shares(self) -> dict[str, float]:
        """Of the units in any arm, the part of each."""
        return shares_of(self.ranges)


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """`arms`: the template of each, the control first; none of an experiment that only counts executions."""

    id: UUID
    name: str
    template_name: str
    status: Status
    kind: ExperimentKind
    arms: dict[str, UUID]
    unit_kind: Literal["user", "session"]
    environment: str | None
    primary_metric: str
    protected_metrics: list[str]
    auto_rollback: bool
    counts_violations: bool
    steps: list[float] | None
    minimum_sample_size: int
    confidence_level: float
    target_improvement_percentage: float | None
    actual_start_date: datetime | None
    actual_end_date: datetime | None
    verdict: str | None
    verdict_reason: str | None
    looked_at: datetime | None
    winner_variant: str | None
    winner_declared_by: str | None
    phases: list[Phase]

    @property
    def plan(self) -> Plan:
        target = self.target_improvement_percentage
        return Plan(
            id=self.id,
            name=self.name,
            arms=tuple(self.arms),
            primary=self.primary_metric,
            protected=tuple(self.protected_metrics),
            kind=self.kind,
            planned_units=self.minimum_sample_size,
            alpha=1 - self.confidence_level,
            target=target / 100 if target else None,
            started_at=self.actual_start_date,
            ended_at=self.actual_end_date,
            is_running=self.status in RUNNING,
        )

    @property
    def span(self) -> Phase | None:
        """The phase from which on rows are compared: the last that began the comparison again."""
        return next((phase for phase in reversed(self.phases) if phase.restarts), None)

    @property
    def restarts(self) -> int:
        return max(0, sum(phase.restarts for phase in self.phases) - 1)


def find_experiment(cursor: cursor, name: str) -> Experiment:
    """Raises `NoSuchExperimentError`, and `ExperimentError` for one that cannot be read."""
    cursor.execute(_EXPERIMENT, {"name": name, "running": False})
    found = cursor.fetchall()
    if not found:
        raise NoSuchExperimentError(
            f"no experiment is named {name[:100]}: 'experiments list' has their names"
        )
    return _experiment(found[0][0])


def experiments(cursor: cursor) -> list[Experiment]:
    """All of them, the newest first. Raises `ExperimentError`."""
    cursor.execute(_EXPERIMENT, {"name": None, "running": False})
    return [_experiment(document) for (document,) in cursor]


def running_names(cursor: cursor) -> list[str]:
    """Of those that run and have arms, also where one cannot be read; the newest first."""
    cursor.execute(_EXPERIMENT, {"name": None, "running": True})
    return [document["name"] for (document,) in cursor]


def _experiment(document: dict[str, Any]) -> Experiment:
    arms = document["arms"] or {}
    document["arms"] = {arm: arms[arm] for arm in sorted(arms, key=lambda arm: (arm != CONTROL, arm))}
    try:
        for phase in document["phases"]:
            phase["ranges"] = read_ranges(phase["ranges"])
        return msgspec.convert(document, Experiment, strict=False)
    except msgspec.ValidationError as error:
        raise ExperimentError(
            f"the experiment {document['name']} cannot be read ({error}): stop it, and create another"
        ) from None
