"""Reads what the rows of an experiment say: sums in PostgreSQL, from an index alone, all in one statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evidence.counting import (
    ATTEMPT,
    METRICS,
    MOMENTS,
    QUANTILES,
    Rows,
    evidence_statement,
    mislabelled_arm,
    reason_name,
)
from prompt_worker.experiments.evidence.ratings import Ratings
from prompt_worker.experiments.judging.evidence import Evidence, Measured, PhaseUnits
from prompt_worker.experiments.judging.metrics import QUANTILE, find_metric
from prompt_worker.experiments.statistics import quantile
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile as normal_quantile
from prompt_worker.experiments.stored import Experiment

# Sums of many rows are made in memory, by hashing; nothing is compiled. One process: others would make the sums of the
# same units beside it, and add them up again.
SETTINGS = """
    SET LOCAL work_mem = '128MB'; SET LOCAL enable_sort = off; SET LOCAL jit = off; SET LOCAL enable_seqscan = off;
    SET LOCAL max_parallel_workers_per_gather = 0
"""


def check_measurable(name: str) -> None:
    """Raises `ExperimentError` for a metric that is not known."""
    metric = find_metric(name)
    if metric.feedback is None and metric.name not in METRICS and metric.name not in QUANTILES:
        raise ExperimentError(f"{name[:100]} cannot be measured")


def read_evidence(
    cursor: cursor, experiment: Experiment, metrics: tuple[str, ...], at: datetime, *, retries: bool = False
) -> Evidence:
    """What the rows say now. Raises `psycopg2.Error`.

    `retries`: some requests have several attempts, as a look before has seen; without it that costs a second reading.
    """
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
    parameters |= Ratings(metrics).parameters()
    cursor.execute(SETTINGS)
    rows = Rows(
        arms=len(experiment.arms),
        has_end=experiment.actual_end_date is not None,
        has_environment=experiment.environment is not None,
        phases=len(experiment.phases) - parameters["span"] + 1,
        retries=retries,
        counts_violations=experiment.counts_violations,
    )
    found = _read(cursor, experiment, metrics, rows, parameters)
    if found.has_attempts:
        rows = msgspec.structs.replace(rows, retries=True)
        found = _read(cursor, experiment, metrics, rows, parameters)
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


def _read(
    cursor: cursor, experiment: Experiment, metrics: tuple[str, ...], rows: Rows, parameters: dict[str, Any]
) -> _Found:
    cursor.execute(evidence_statement(metrics, rows), parameters)
    return _Found(experiment, metrics, cursor.fetchall())


class _Found:
    """The rows of the statement, by what each is about."""

    def __init__(self, experiment: Experiment, metrics: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        self._arms = list(experiment.arms)
        self._ratios = [*(metric for metric in metrics if metric in METRICS), *Ratings(metrics).metrics]
        self._quantiles = [metric for metric in metrics if metric in QUANTILES]
        self.units = dict.fromkeys(experiment.arms, 0)
        self.rows = dict.fromkeys(experiment.arms, 0)
        self.failing = dict.fromkeys(experiment.arms, 0)
        self.measured: dict[str, dict[str, Measured]] = {}
        self.mislabelled: dict[str, int] = {}
        self.excluded: dict[str, int] = {}
        self.by_phase: dict[int, dict[str, int]] = {}
        self.in_two_arms = 0
        self.has_attempts = False
        for what, *row in rows:
            getattr(self, f"_{what}")(*row)

    def _arm(self, bit: int, _: None, units: int, calls: int, failing: int, sums: list[float | None]) -> None:
        arm = self._arm_of(bit)
        self.units[arm], self.rows[arm], self.failing[arm] = units, int(calls), failing
        for number, metric in enumerate(self._ratios):
            count, *moments = sums[number * MOMENTS : (number + 1) * MOMENTS]
            if count:
                found = Measured(Moments(int(count), *(each or 0.0 for each in moments)))
                self.measured.setdefault(metric, {})[arm] = found

    def _quantile(self, bit: int, _: None, units: int, calls: int, __: None, sums: list[float]) -> None:
        *moments, value, low, high = sums
        arm = self._arm_of(bit)
        for metric in self._quantiles:
            variance = quantile.variance_between(low, high)
            self.measured.setdefault(metric, {})[arm] = Measured(
                Moments(units, float(calls), *moments), value, variance
            )

    def _excluded(self, _: None, reason: int, __: None, calls: int, *___: None) -> None:
        self.has_attempts |= reason == ATTEMPT
        name, arm = reason_name(reason), mislabelled_arm(reason)
        if name is not None:
            self.excluded[name] = self.excluded.get(name, 0) + int(calls)
        if arm is not None:
            self.mislabelled[self._arms[arm]] = int(calls)

    def _in_two_arms(self, _: None, __: None, units: int, calls: int, *___: None) -> None:
        self.in_two_arms = units
        if units:
            self.excluded["in_two_arms"] = int(calls)

    def _phase(self, bit: int, phase: int, units: int, *_: None) -> None:
        self.by_phase.setdefault(phase, {})[self._arm_of(bit)] = units

    def _arm_of(self, bit: int) -> str:
        return self._arms[bit.bit_length() - 1]
