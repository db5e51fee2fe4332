"""The statement that reads an experiment's rows, with only those sums that its metrics need. All its parts are ours."""

from __future__ import annotations

from collections.abc import Sequence

from prompt_worker.platform.postgres.statements import statement

_EVIDENCE = statement(__name__, "evidence")
# Of units with their times, and what comes of that: also of prompts, see suggesting.py.
QUANTILE_CTES = statement(__name__, "quantile")
QUANTILE_ROWS = statement(__name__, "quantile_row")

# Of rows that do not count: the first is −1. Of a mislabelled one the code says which arm it names.
REASONS = (
    "out_of_time",
    "other_environment",
    "no_unit",
    "outside",
    "unknown_arm",
    "builtin",
    "earlier_phase",
    "retried",
)
_MISLABELLED = -100

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
    "times": "array_agg(x.execution_time_ms) FILTER (WHERE x.execution_time_ms IS NOT NULL)",
}
# N and S of each metric.
METRICS = {
    "success_rate": ("calls", "successes"),
    "failure_rate": ("calls", "failures"),
    "blocked_rate": ("calls", "blocked"),
    "violation_rate": ("calls", "violations"),
    "execution_time_ms": ("time_calls", "time_ms"),
    "token_count": ("token_calls", "tokens"),
    "cost_usd": ("cost_calls", "cost"),
    "cost_per_success": ("successes", "cost"),
}
QUANTILES = ("execution_time_p95",)
# Sums that are capped themselves, by those units that have any.
_CAPPED = {"tokens": "token_calls", "cost": "cost_calls"}
# See statistics/capping.py: a unit with more calls than the cap weighs as much as one at the cap.
_CAP = (
    "(SELECT u.{name} FROM units u WHERE u.{calls} > 0 ORDER BY u.{name} DESC "
    "OFFSET (SELECT greatest(1, count(*) / 1000) FROM units u WHERE u.{calls} > 0) LIMIT 1)::float8 AS {name}"
)
# Of a metric: how many units have any of it, ΣN, ΣS, ΣS², ΣSN and ΣN².
MOMENTS = 6
_MOMENTS = (
    "count(*) FILTER (WHERE v.n{k} > 0 OR v.s{k} > 0), sum(v.n{k}), sum(v.s{k}), sum(v.s{k} * v.s{k}), "
    "sum(v.s{k} * v.n{k}), sum(v.n{k} * v.n{k})"
)
_ALREADY = ("calls", "failures")
_FOUND = ("blocked", "violations")


def evidence_statement(metrics: Sequence[str], arms: int, *, counts_violations: bool = False) -> str:
    """For an experiment with so many arms. Of ratios in the order of `metrics`; a quantile has rows of its own.

    `counts_violations`: what a guardrail found makes a unit a failing one, too.
    """
    ratios = [metric for metric in metrics if metric in METRICS]
    quantile = any(metric in QUANTILES for metric in metrics)
    used = {name for metric in ratios for name in METRICS[metric]} - {*_ALREADY}
    found = _FOUND if counts_violations else ()
    used |= (
        {*found} | {_CAPPED[name] for name in used if name in _CAPPED} | ({"times"} if quantile else set())
    )
    weights = {METRICS[metric][0] for metric in ratios}
    capped = {name: _CAPPED.get(name, name) for name in sorted(weights | (used & {*_CAPPED}))}
    return _EVIDENCE.format(
        code=_code(arms),
        phases="bit_or(1::bigint << least(coalesce(x.experiment_phase, %(span)s) - 1, 62))",
        sums="".join(f", {_SUMS[name]} AS {name}" for name in sorted(used)),
        caps=", ".join(_CAP.format(name=name, calls=calls) for name, calls in capped.items()) or "1 AS none",
        capped="".join(
            [
                *(f", u.{name}" for name in found),
                *(_capped(k, *METRICS[metric]) for k, metric in enumerate(ratios)),
            ]
        ),
        failing=" OR ".join(f"v.{name} > 0" for name in ("failures", *found)),
        moments=", ".join(_MOMENTS.format(k=k) for k in range(len(ratios))),
        quantiles=QUANTILE_CTES if quantile else "",
        quantile_rows=f"\n{QUANTILE_ROWS}" if quantile else "",
    )


def mislabelled_arm(code: int) -> int | None:
    """The arm that a row names which another template was served for, from 0. None of another code."""
    return _MISLABELLED - code if code <= _MISLABELLED else None


def _code(arms: int) -> str:
    """What most rows are is asked first, and what each of its parts takes is little: there are many rows."""
    counted = " ".join(
        f"WHEN x.template_id = %(template_{n})s::uuid AND x.ab_test_group = %(arm_{n})s THEN {n + 1}"
        for n in range(arms)
    )
    named = " ".join(f"WHEN %(arm_{n})s THEN {_MISLABELLED - n}" for n in range(arms))
    known = ", ".join(f"%(arm_{n})s" for n in range(arms))
    reasons = (
        "x.executed_at < %(started_at)s OR x.executed_at >= %(ended_at)s",
        "x.environment IS DISTINCT FROM coalesce(%(environment)s, x.environment)",
        "x.assignment_unit IS NULL OR x.assignment_unit = ''",
        "x.ab_test_group IS NULL",
        f"x.ab_test_group NOT IN ({known})",
        "x.prompt_source = 'builtin'",
        "x.experiment_phase < %(span)s OR x.experiment_phase IS NULL AND x.executed_at < %(span_started_at)s",
        "coalesce(x.attempt, 1) < r.last",
    )
    first = " ".join(f"WHEN {reason} THEN {-number}" for number, reason in enumerate(reasons, 1))
    return f"CASE {first} ELSE CASE {counted} ELSE CASE x.ab_test_group {named} END END END"


def _capped(k: int, n: str, s: str) -> str:
    total = f"least(u.{s}::float8, c.{s})" if s in _CAPPED else f"u.{s}::float8"
    return (
        f", least(u.{n}::float8, c.{n}) AS n{k}, "
        f"{total} * CASE WHEN u.{n}::float8 > c.{n} THEN c.{n} / u.{n}::float8 ELSE 1 END AS s{k}"
    )
