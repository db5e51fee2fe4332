"""A new experiment: refused where it cannot work, before anybody waits for it."""

from __future__ import annotations

import json
from typing import Literal
from uuid import UUID

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.allocation import buckets_of
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evidence.ratings import check_recorded
from prompt_worker.experiments.evidence.reading import check_measurable
from prompt_worker.experiments.refused import changed
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

# Days that a test may take at today's traffic; with more it would end after its question is forgotten.
MOST_DAYS = 60
LEAST_UNITS = 200

_CREATE = statement(__name__, "create_experiment")
_TRAFFIC = statement(__name__, "traffic")


class NewExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """`arms`: the version of each arm; `weights`: the part of all units that each gets, in percent."""

    name: str
    template_name: str
    arms: dict[str, int]
    weights: dict[str, float]
    primary_metric: str
    protected_metrics: tuple[str, ...] = ()
    unit_kind: Literal["user", "session"] = "user"
    environment: str | None = None
    planned_units: int = 1000
    confidence_level: float = 0.95
    target_improvement_percentage: float | None = None
    description: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.primary_metric, *self.protected_metrics)


class Created(msgspec.Struct, frozen=True):
    """`units_a_day` of the prompt in the last 14 days; `days`: until the planned size at that rate, if there is any."""

    id: UUID
    units_a_day: float
    days: float | None


def create(session: Session, new: NewExperiment, *, by: str, force: bool = False) -> Created:
    """A draft. `force`: also where traffic is too little, or feedback is not recorded yet.

    Raises `ExperimentError`, `DeploymentError`.
    """
    _check(new)
    return session.run(lambda cursor: _create(cursor, new, by, force))


def _check(new: NewExperiment) -> None:
    if set(new.arms) != set(new.weights):
        raise ExperimentError("give each arm a version and a weight")
    buckets_of(new.weights)
    for metric in new.metrics:
        check_measurable(metric)
    if new.primary_metric in new.protected_metrics:
        raise ExperimentError(f"{new.primary_metric} is the primary metric: it need not be protected")
    if not 0.5 <= new.confidence_level < 1:
        raise ExperimentError("the confidence level is at least 0.5 and below 1, such as 0.95")
    if new.planned_units < LEAST_UNITS:
        raise ExperimentError(
            f"{new.planned_units} units are too few to tell anything from chance: plan {LEAST_UNITS} or more"
        )
    if len(set(new.arms.values())) < len(new.arms):
        raise ExperimentError("two arms are the same version")


def _create(cursor: cursor, new: NewExperiment, by: str, force: bool) -> Created:
    if not force:
        check_recorded(cursor, new.metrics, "Publish one first, or pass --force")
    arms: dict[str, str] = {}
    for arm, version in new.arms.items():
        cursor.execute(
            "SELECT id FROM prompt_templates WHERE name = %(name)s AND version = %(version)s",
            {"name": new.template_name, "version": version},
        )
        row = cursor.fetchone()
        if row is None:
            raise ExperimentError(
                f"{new.template_name[:100]} has no version {version} for {arm}: create it first"
            )
        arms[arm] = str(row[0])
    cursor.execute(_TRAFFIC, {"name": new.template_name, "environment": new.environment})
    ((units_a_day,),) = cursor.fetchall()
    enrolled = float(units_a_day) * sum(new.weights.values()) / 100
    days = new.planned_units / enrolled if enrolled else None
    if not force and (days is None or days > MOST_DAYS):
        long = f"{days:,.0f} days" if days is not None else "no end: nothing was recorded in the last 14 days"
        raise ExperimentError(
            f"too little traffic: {new.planned_units} units at {units_a_day:,.0f} a day take {long}. "
            f"Plan fewer, give the arms more, or pass --force"
        )
    parameters = {
        **msgspec.structs.asdict(new),
        "arms": json.dumps(arms),
        "traffic_allocation": json.dumps(new.weights),
        "protected_metrics": json.dumps(new.protected_metrics),
        "by": by,
    }
    ((created,),) = changed(cursor, _CREATE, parameters, new.name)
    return Created(UUID(str(created)), float(units_a_day), days)
