"""Reads what the rows of an experiment say: sums in PostgreSQL, from an index alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.evidence import Evidence, Measured, PhaseUnits
from prompt_worker.experiments.judging.metrics import QUANTILE, find_metric
from prompt_worker.experiments.ratings import Ratings
from prompt_worker.experiments.statistics import quantile
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile as normal_quantile
from prompt_worker.experiments.stored import Experiment
from prompt_worker.platform.postgres.statements import statement

_EVIDENCE = statement(__name__, "evidence")
_QUANTILE = statement(__name__, "quantile")

# A sum over the executions of a unit, by its name.
_SUMS = {
    "successes": "count(*) FILTER (WHERE x.status = 'success')",
    "blocked": "count(*) FILTER (WHERE x.status = 'blocked' OR x.guardrail_action = 'block')",
    "violations": "count(*) FILTER (WHERE x.guardrail_action IN ('warn', 'block'))",
    "time_calls": "count(x.execution_time_ms)",
    "time_ms": "coalesce(sum(x.execution_time_ms), 0)",
    "token_calls": "count(x.token_count)",
    "tokens": "coalesce(sum(x.token_count), 0)",
    "cost_calls": "count(x.cost_usd)",
    "cost": "coalesce(sum(x.cost_usd), 0)",
}
# N and S of each metric.
_METRICS = {
    "success_rate": ("calls", "successes"),
    "failure_rate": ("calls", "failures"),
    "blocked_rate": ("calls", "blocked"),
    "violation_rate": ("calls", "violations"),
    "execution_time_ms": ("time_calls", "time_ms"),
    "token_count": ("token_calls", "tokens"),
    "cost_usd": ("cost_calls", "cost"),
    "cost_per_success": ("successes", "cost"),
}
# What makes a unit a failing one in a rollout.
_FAILING = ("failures",)
_FAILING_OR_FOUND = ("failures", "blocked", "violations")
# Sums that are capped themselves, by those units that have any.
_CAPPED = {"tokens": "token_calls", "cost": "cost_calls"}
# See statistics/capping.py: a unit with more calls than the cap weighs as much as one at the cap.
_CAP = (
    "(SELECT u.{name} FROM units u WHERE u.{calls} > 0 ORDER BY u.{name} DESC "
    "OFFSET (SELECT greatest(1, count(*) / 1000) FROM units u WHERE u.{calls} > 0) LIMIT 1)::float8 AS {name}"
)

_QUANTILES = ("execution_time_p95",)
# Sums of many rows are made in memory, by hashing, by all processors; nothing is compiled.
_SETTINGS = """
    SET LOCAL work_mem = '128MB'; SET LOCAL enable_sort = off; SET LOCAL jit = off;
    SET LOCAL parallel_tuple_cost = 0.001
"""


def check_measurable(name: str) -> None:
    """Raises `ExperimentError` for a metric that is not known."""
    metric = find_metric(name)
    if metric.feedback is None and metric.name not in _METRICS and metric.name not in _QUANTILES:
        raise ExperimentError(f"{name[:100]} cannot be measured")


def read_evidence(cursor: cursor, experiment: Experiment, metrics: tuple[str, ...], at: datetime) -> Evidence:
    """What the rows say now. Raises `psycopg2.Error`."""
    span = experiment.span
    parameters: dict[str, Any] = {
        "id": str(experiment.id),
        "template_name": experiment.template_name,
        "environment": experiment.environment,
        "arms": json.dumps({arm: str(template) for arm, template in experiment.arms.items()}),
        "started_at": experiment.actual_start_date or at,
        "ended_at": experiment.actual_end_date or "infinity",
        "span": span.phase if span else 1,
        "span_started_at": span.started_at if span else "-infinity",
        "phases": min(len(experiment.phases), 63),
    }
    for number, (arm, template) in enumerate(experiment.arms.items()):
        parameters |= {f"arm_{number}": arm, f"template_{number}": str(template)}
    cursor.execute(_SETTINGS)
    ratings = Ratings(metrics)
    summed = [metric for metric in metrics if metric in _METRICS]
    parameters |= ratings.parameters()
    parameters |= {f"metric_{number}": metric for number, metric in enumerate(summed + ratings.metrics)}
    failing = _FAILING_OR_FOUND if experiment.counts_violations else _FAILING
    cursor.execute(_statement(summed, ratings, len(experiment.arms), failing), parameters)
    rows = cursor.fetchall()
    found = _Found(experiment, rows)
    for metric in metrics:
        if metric in _QUANTILES:
            found.measured[metric] = _quantiles(cursor, parameters)
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

    def __init__(self, experiment: Experiment, rows: list[tuple[Any, ...]]) -> None:
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

    def _arm(self, arm: str, _: None, units: int, calls: int, *__: None) -> None:
        self.units[arm], self.rows[arm] = units, int(calls)

    def _metric(self, arm: str, name: str, units: int, *sums: float | None) -> None:
        self.measured.setdefault(name, {})[arm] = Measured(
            Moments(units, *(float(each or 0) for each in sums))
        )

    def _excluded(self, arm: str, reason: str, _: int, calls: int, *__: None) -> None:
        self.excluded[reason] = self.excluded.get(reason, 0) + int(calls)
        if reason == "mislabelled":
            self.mislabelled[arm] = int(calls)

    def _in_two_arms(self, _: None, __: None, units: int, calls: int, *___: None) -> None:
        self.in_two_arms = units
        if units:
            self.excluded["in_two_arms"] = int(calls)

    def _phase(self, arm: str, phase: str, units: int, *_: None) -> None:
        self.by_phase.setdefault(int(phase), {})[arm] = units

    def _failing(self, arm: str, _: None, units: int, *__: None) -> None:
        self.failing[arm] = units


def _template(arms: int) -> str:
    """The template of a row's arm: constants are compared faster than JSON is read."""
    return f"CASE x.ab_test_group {' '.join(f'WHEN %(arm_{n})s THEN %(template_{n})s::uuid' for n in range(arms))} END"


def _statement(metrics: list[str], ratings: Ratings, arms: int, failing: Sequence[str]) -> str:
    """The statement with only those sums that the metrics need; all its parts are ours."""
    used = sorted(
        {*failing, *(name for metric in metrics for name in _METRICS[metric])} - {"calls", "failures"}
    )
    used = sorted({*used, *(_CAPPED[name] for name in used if name in _CAPPED)})
    pairs = [*map(_METRICS.__getitem__, metrics), *map(ratings.sums_of, ratings.metrics)]
    weights = {n for n, _ in pairs}
    capped = {
        name: _CAPPED.get(name, name) for name in sorted({*used, "calls", *weights} & {*weights, *_CAPPED})
    }
    values = [_value(number, *pair) for number, pair in enumerate(pairs)]
    return _EVIDENCE.format(
        sums="".join(f", {_SUMS[name]} AS {name}" for name in used),
        template=_template(arms),
        caps=", ".join(_CAP.format(name=name, calls=calls) for name, calls in capped.items()) or "1 AS none",
        failing=" OR ".join(f"u.{name} > 0" for name in failing),
        metrics=", ".join(values) or "(NULL, 0::float8, 0::float8, 0::float8)",
        **ratings.parts(),
    )


def _value(number: int, n: str, s: str) -> str:
    total = f"least(u.{s}::float8, c.{s})" if s in _CAPPED else f"u.{s}::float8"
    return f"(%(metric_{number})s, u.{n}::float8, c.{n}, {total})"


def _quantiles(cursor: cursor, parameters: dict[str, Any]) -> dict[str, Measured]:
    cursor.execute("SET LOCAL enable_sort = on")
    cursor.execute(
        _QUANTILE,
        {**parameters, "probability": QUANTILE, "radius": normal_quantile(1 - quantile.LEVEL / 2)},
    )
    return {
        arm: Measured(
            Moments(units, *map(float, sums)),
            float(value),
            quantile.variance_between(float(low), float(high)),
        )
        for arm, units, *sums, value, low, high in cursor.fetchall()
    }
