"""What is known about an experiment at one look: what was planned, and what the rows say."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from prompt_worker.experiments.statistics.moments import Moments

ExperimentKind = Literal["test", "rollout"]
CONTROL = "control"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided before it started. `arms`: the control first. `planned_units`: over all arms together.

    `alpha` is 1 less the confidence level; `target` the relative change that matters, such as 0.05, if one was given.
    """

    id: UUID
    name: str
    arms: tuple[str, ...]
    primary: str
    protected: tuple[str, ...] = ()
    kind: ExperimentKind = "test"
    planned_units: int = 1000
    alpha: float = 0.05
    target: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_running: bool = True

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.primary, *self.protected)))


class PhaseUnits(msgspec.Struct, frozen=True):
    """Units that were served in a phase, by arm, and the part of the traffic that each arm has in it."""

    phase: int
    units: dict[str, int]
    shares: dict[str, float]


class Measured(msgspec.Struct, frozen=True):
    """One metric of one arm: the sums over its units; of a quantile also its `value`, `variance` and both.

    A quantile's sums are of its calls that are at or below it.
    """

    moments: Moments
    value: float | None = None
    variance: float | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows say at `at`, all read in one statement, so that it belongs together.

    `measured`: by metric and arm. `rows`: those that count, by arm. `mislabelled`: rows by arm that another template
    than the arm's was served for. `in_two_arms`: units that were in more than one arm, which count nowhere.
    `excluded`: rows that do not count, by the reason. `restarts`: how often other weights began the comparison again.
    """

    at: datetime
    units: dict[str, int]
    rows: dict[str, int]
    measured: dict[str, dict[str, Measured]]
    mislabelled: dict[str, int] = {}
    in_two_arms: int = 0
    excluded: dict[str, int] = {}
    phases: tuple[PhaseUnits, ...] = ()
    restarts: int = 0
    # Of a rollout: units with what it counts as a failure, by arm.
    failing: dict[str, int] = {}

    @property
    def all_units(self) -> int:
        return sum(self.units.values())


class PlannedLook(msgspec.Struct, frozen=True):
    """Of one comparison: computed once and never again."""

    p_value: float
    interval: tuple[float, float]
    relative: tuple[float, float] | None = None


class History(msgspec.Struct, frozen=True):
    """What the looks until now leave behind.

    `planned`: the p-value and the interval of each comparison at the planned look, once it is done; its key is
    "metric arm". `ratio_p`: the smallest p-value of the sample ratio. `harm`: of a rollout, the sentence of the look
    that found it at this step: what was found once at any look stays found.
    """

    planned: dict[str, PlannedLook] | None = None
    planned_at: datetime | None = None
    ratio_p: float = 1.0
    harm: str | None = None
