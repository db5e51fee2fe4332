"""Reads what the rows of an experiment say: sums in PostgreSQL, from an index alone."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evidence import Evidence, Measured, PhaseUnits
from prompt_worker.experiments.metrics import QUANTILE, find_metric
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
    "time_ms": "sum(x.execution_time_ms)",
    "token_calls": "count(x.token_count)",
    "tokens": "sum(x.token_count)",
    "cost_calls": "count(x.cost_usd)",
    "cost": "sum(x.cost_usd)",
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
# Sums that are capped themselves, by those units that have any.
_CAPPED = {"tokens": "token_calls", "cost": "cost_calls"}
# See statistics/capping.py: a unit with more calls than the cap weighs as much as one at the cap.
_CAP = (
    "(SELECT u.{name} FROM units u WHERE u.{calls} > 0 ORDER BY u.{name} DESC "
    "OFFSET (SELECT greatest(1, count(*) / 1000) FROM units u WHERE u.{calls} > 0) LIMIT 1)::float8 AS {name}"
)

_QUANTILES = ("execution_time_p95",)
# Sums of many rows are made in memory and by hashing; nothing is compiled.
_SETTINGS = "SET LOCAL work_mem = '128MB'; SET LOCAL enable_sort = off; SET LOCAL jit = off"


def check_measurable(name: str) -> None:
    """Raises `ExperimentError` for a metric that is not known, or that no column of executions has."""
    metric = find_metric(name)
    if metric.name not in _METRICS and metric.name not in _QUANTILES:
        raise ExperimentError(f"{name[:100]} cannot be measured yet: feedback is not recorded")


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
    cursor.execute(_SETTINGS)
    cursor.execute(_statement([metric for metric in metrics if metric in _METRICS]), parameters)
    rows = cursor.fetchall()
    measured: dict[str, dict[str, Measured]] = defaultdict(dict)
    units: dict[str, int] = dict.fromkeys(experiment.arms, 0)
    counted: dict[str, int] = dict.fromkeys(experiment.arms, 0)
    mislabelled: dict[str, int] = {}
    excluded: dict[str, int] = defaultdict(int)
    by_phase: dict[int, dict[str, int]] = defaultdict(dict)
    failing: dict[str, int] = dict.fromkeys(experiment.arms, 0)
    in_two_arms = 0
    for what, arm, name, count, calls, *sums in rows:
        if what == "arm":
            units[arm], counted[arm] = count, int(calls)
        elif what == "metric":
            measured[name][arm] = Measured(
                Moments(count, float(calls or 0), *(float(sum_ or 0) for sum_ in sums))
            )
        elif what == "excluded":
            excluded[name] += int(calls)
            if name == "mislabelled":
                mislabelled[arm] = int(calls)
        elif what == "in_two_arms":
            in_two_arms = count
            if count:
                excluded["in_two_arms"] = int(calls)
        elif what == "phase":
            by_phase[int(name)][arm] = count
        else:
            failing[arm] = count
    for metric in metrics:
        if metric in _QUANTILES:
            measured[metric] = _quantiles(cursor, parameters)
    first = span.phase if span else 1
    return Evidence(
        at=at,
        units=units,
        rows=counted,
        measured=dict(measured),
        mislabelled=mislabelled,
        in_two_arms=in_two_arms,
        excluded=dict(sorted(excluded.items())),
        phases=tuple(
            PhaseUnits(phase.phase, by_phase[phase.phase], phase.shares)
            for phase in experiment.phases
            if phase.phase >= first and phase.phase in by_phase
        ),
        restarts=experiment.restarts,
        failing=failing,
    )


def _statement(metrics: list[str]) -> str:
    """The statement with only those sums that the metrics need; all its parts are ours."""
    used = sorted({name for metric in metrics for name in _METRICS[metric]} - {"calls", "failures"})
    used = sorted({*used, *(_CAPPED[name] for name in used if name in _CAPPED)})
    weights = {_METRICS[metric][0] for metric in metrics}
    capped = {name: _CAPPED.get(name, name) for name in sorted({*used, "calls"} & {*weights, *_CAPPED})}
    values = [_value(metric) for metric in metrics]
    return _EVIDENCE.format(
        sums="".join(f", {_SUMS[name]} AS {name}" for name in used),
        totals="".join(f", coalesce(sum(g.{name}), 0) AS {name}" for name in used),
        caps=", ".join(_CAP.format(name=name, calls=calls) for name, calls in capped.items()) or "1 AS none",
        metrics=", ".join(values) or "(NULL, 0::float8, 0::float8, 0::float8)",
    )


def _value(metric: str) -> str:
    n, s = _METRICS[metric]
    total = f"least(u.{s}::float8, c.{s})" if s in _CAPPED else f"u.{s}::float8"
    return f"('{metric}', u.{n}::float8, c.{n}, {total})"


def _quantiles(cursor: cursor, parameters: dict[str, Any]) -> dict[str, Measured]:
    cursor.execute("SET LOCAL enable_sort = on")
    cursor.execute(
        _QUANTILE, {**parameters, "probability": QUANTILE, "radius": normal_quantile(1 - quantile.LEVEL / 2)}
    )
    return {
        arm: Measured(
            Moments(units, *map(float, sums)),
            float(value),
            quantile.variance_between(float(low), float(high)),
        )
        for arm, units, *sums, value, low, high in cursor.fetchall()
    }
