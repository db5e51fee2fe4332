"""Reads what the rows of an experiment say: sums in PostgreSQL, from an index alone, all in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor

from prompt_worker.experiments.counting import (
    METRICS,
    MOMENTS,
    QUANTILES,
    REASONS,
    evidence_statement,
    mislabelled_arm,
)
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.evidence import Evidence, Measured, PhaseUnits
from prompt_worker.experiments.judging.metrics import QUANTILE, find_metric
from prompt_worker.experiments.statistics import quantile
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile as normal_quantile
from prompt_worker.experiments.stored import Experiment

# Sums of many rows are made in memory, by hashing; nothing is compiled. One process: others would make the sums of the
# same units beside it, and add them up again.
SETTINGS = """
    SET LOCAL work_mem = '128MB'; SET LOCAL enable_sort = off; SET LOCAL jit = off;
    SET LOCAL max_parallel_workers_per_gather = 0
"""


def check_measurable(name: str) -> None:
    """Raises `ExperimentError` for a metric that is not known, or that no column of executions has."""
    metric = find_metric(name)
    if metric.name not in METRICS and metric.name not in QUANTILES:
        raise ExperimentError(f"{name[:100]} cannot be measured yet: feedback is not recorded")


def read_evidence(cursor: cursor, experiment: Experiment, metrics: tuple[str, ...], at: datetime) -> Evidence:
    """What the rows say now. Raises `psycopg2.Error`."""
    span = experiment.span
    parameters: dict[str, Any] = {
        "id": str(experiment.id),
        "template_name": experiment.template_name,
        "environment": experiment.environment,
        "started_at": experiment.actual_start_date or at,
        "ended_at": experiment.actual_end_date or "infinity",
        "span": span.phase if span else 1,
        "span_started_at": span.started_at if span else "-infinity",
        "phases": min(len(experiment.phases), 63),
        "probability": QUANTILE,
        "radius": normal_quantile(1 - quantile.LEVEL / 2),
    }
    for number, (arm, template) in enumerate(experiment.arms.items()):
        parameters |= {f"arm_{number}": arm, f"template_{number}": str(template)}
    cursor.execute(SETTINGS)
    statement = evidence_statement(
        metrics, len(experiment.arms), counts_violations=experiment.counts_violations
    )
    cursor.execute(statement, parameters)
    found = _Found(experiment, metrics, cursor.fetchall())
    return Evidence(
        at=at,
        units=found.units,
        rows=found.rows,
        measured=found.measured,
        mislabelled=found.mislabelled,
        in_two_arms=found.in_two_arms,
        excluded=dict(sorted(found.excluded.items())),
        phases=tuple(
            PhaseUnits(phase.phase, found.by_phase[phase.phase], phase.shares)
            for phase in experiment.phases
            if phase.phase >= parameters["span"] and phase.phase in found.by_phase
        ),
        restarts=experiment.restarts,
        failing=found.failing,
    )


class _Found:
    """The rows of the statement, by what each is about."""

    def __init__(self, experiment: Experiment, metrics: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        self._arms = list(experiment.arms)
        self._ratios = [metric for metric in metrics if metric in METRICS]
        self._quantiles = [metric for metric in metrics if metric in QUANTILES]
        self.units = dict.fromkeys(experiment.arms, 0)
        self.rows = dict.fromkeys(experiment.arms, 0)
        self.failing = dict.fromkeys(experiment.arms, 0)
        self.measured: dict[str, dict[str, Measured]] = {}
        self.mislabelled: dict[str, int] = {}
        self.excluded: dict[str, int] = {}
        self.by_phase: dict[int, dict[str, int]] = {}
        self.in_two_arms = 0
        for what, *row in rows:
            getattr(self, f"_{what}")(*row)

    def _arm(
        self, code: int, _: None, units: int, calls: int, failing: int, sums: list[float | None]
    ) -> None:
        arm = self._arms[code - 1]
        self.units[arm], self.rows[arm], self.failing[arm] = units, int(calls), failing
        for number, metric in enumerate(self._ratios):
            count, *moments = sums[number * MOMENTS : (number + 1) * MOMENTS]
            if count:
                found = Measured(Moments(int(count), *(each or 0.0 for each in moments)))
                self.measured.setdefault(metric, {})[arm] = found

    def _quantile(self, code: int, _: None, units: int, calls: int, __: None, sums: list[float]) -> None:
        *moments, value, low, high = sums
        arm = self._arms[code - 1]
        for metric in self._quantiles:
            variance = quantile.variance_between(low, high)
            self.measured.setdefault(metric, {})[arm] = Measured(
                Moments(units, float(calls), *moments), value, variance
            )

    def _excluded(self, code: int, _: None, __: None, calls: int, *___: None) -> None:
        arm = mislabelled_arm(code)
        reason = REASONS[-code - 1] if arm is None else "mislabelled"
        self.excluded[reason] = self.excluded.get(reason, 0) + int(calls)
        if arm is not None:
            self.mislabelled[self._arms[arm]] = int(calls)

    def _in_two_arms(self, _: None, __: None, units: int, calls: int, *___: None) -> None:
        self.in_two_arms = units
        if units:
            self.excluded["in_two_arms"] = int(calls)

    def _phase(self, code: int, phase: int, units: int, *_: None) -> None:
        self.by_phase.setdefault(phase, {})[self._arms[code - 1]] = units
