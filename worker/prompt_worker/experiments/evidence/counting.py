"""The statement that reads an experiment's rows, with only those sums that its metrics need. All its parts are ours."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from prompt_worker.experiments.evidence.ratings import Ratings
from prompt_worker.platform.postgres.statements import statement

_EVIDENCE = statement(__name__, "evidence")
# Of units with their times, and what comes of that: also of prompts, see suggesting.py.
QUANTILE_CTES = statement(__name__, "quantile")
QUANTILE_ROWS = statement(__name__, "quantile_row")
_RETRIED = statement(__name__, "retried")

# Of rows that do not count: the first is −1.
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
# Of rows of another experiment, which none of its numbers has.
_NOT_OURS = -50
# A later attempt at a request, where nobody has asked yet which attempt is the last.
ATTEMPT = -51
# Of a row that names an arm and another template was served for: one less for each arm.
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
# Bit n: the unit was served in phase n + 1. Of one phase: a row may be of one that began since the phases were read.
_PHASES = "bit_or(1::bigint << least(coalesce(x.experiment_phase, %(span)s) - 1, 62))"
_PHASE = (
    "CASE WHEN bool_or(coalesce(x.experiment_phase, %(span)s) = %(span)s) THEN 1::bigint << least(%(span)s - 1, 62) "
    "ELSE 0 END"
)
_COLUMNS = ("request_id", "guardrail_action", "execution_time_ms", "token_count", "cost_usd")
# See statistics/capping.py: a unit with more calls than the cap weighs as much as one at the cap.
_SIZE = "greatest(1, count(*) FILTER (WHERE u.{calls} > 0) / 1000) AS {calls}"
_CAP = (
    "(SELECT u.{name} FROM units u WHERE u.{calls} > 0 ORDER BY u.{name} DESC "
    "OFFSET (SELECT s.{calls} FROM sizes s) LIMIT 1)::float8 AS {name}"
)
# Of a metric: how many units have any of it, ΣN, ΣS, ΣS², ΣSN and ΣN².
MOMENTS = 6
_MOMENTS = (
    "count(*) FILTER (WHERE v.n{k} > 0 OR v.s{k} > 0), sum(v.n{k}), sum(v.s{k}), sum(v.s{k} * v.s{k}), "
    "sum(v.s{k} * v.n{k}), sum(v.n{k} * v.n{k})"
)
_ALREADY = ("calls", "failures")
_FOUND = ("blocked", "violations")


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment's rows are like: what cannot be is not asked of each of them.

    `retries`: some requests have several attempts. Without it each counts as if it were the last, and the reason
    `ATTEMPT` says that one was not the first: then they matter. Finding the last takes as long as all the rest.
    `counts_violations`: what a guardrail found makes a unit a failing one, too.
    """

    arms: int
    has_end: bool
    has_environment: bool
    phases: int
    retries: bool
    counts_violations: bool = False


def evidence_statement(metrics: Sequence[str], rows: Rows) -> str:
    """Of ratios in the order of `metrics`, feedback after the others; a quantile has rows of its own."""
    ratings = Ratings(metrics)
    ratios = [METRICS[metric] for metric in metrics if metric in METRICS]
    quantile = any(metric in QUANTILES for metric in metrics)
    used = {name for pair in ratios for name in pair} - {*_ALREADY}
    found = _FOUND if rows.counts_violations else ()
    used |= {*found}
    used |= {_CAPPED[name] for name in used if name in _CAPPED} | ({"times"} if quantile else set())
    pairs = [*ratios, *map(ratings.sums_of, ratings.metrics)]
    weights = {n for n, _ in pairs}
    capped = {name: _CAPPED.get(name, name) for name in sorted(weights | (used & {*_CAPPED}))}
    summed = "".join(f", {_SUMS[name]} AS {name}" for name in sorted(used))
    return _EVIDENCE.format(
        retried=_RETRIED if rows.retries else "",
        joined=" LEFT JOIN retried r ON r.request_id = x.request_id" if rows.retries else "",
        code=_code(rows),
        columns="".join(
            f", x.{column}"
            for column in _COLUMNS
            if f"x.{column}" in summed or (column == "request_id" and ratings.names)
        ),
        phases=_PHASES if rows.phases > 1 else _PHASE,
        sums=summed,
        sizes=", ".join(_SIZE.format(calls=calls) for calls in sorted({*capped.values()})) or "0",
        caps=", ".join(_CAP.format(name=name, calls=calls) for name, calls in capped.items()) or "0",
        capped="".join(
            [
                *(f", u.{name}" for name in found),
                *(_capped(k, *pair) for k, pair in enumerate(pairs)),
            ]
        ),
        failing=" OR ".join(f"v.{name} > 0" for name in ("failures", *found)),
        moments=", ".join(_MOMENTS.format(k=k) for k in range(len(pairs))),
        quantiles=QUANTILE_CTES if quantile else "",
        quantile_rows=f"\n{QUANTILE_ROWS}" if quantile else "",
        # Feedback is not joined again wherever units are read.
        kept="MATERIALIZED" if ratings.names else "NOT MATERIALIZED",
        **ratings.parts(),
    )


def mislabelled_arm(reason: int) -> int | None:
    """The arm that a row names which another template was served for, from 0. None of another reason."""
    return _MISLABELLED - reason if reason <= _MISLABELLED else None


def reason_name(reason: int) -> str | None:
    """None of rows that are of another experiment."""
    if reason <= _MISLABELLED:
        return "mislabelled"
    return REASONS[-reason - 1] if reason >= -len(REASONS) else None


def _code(rows: Rows) -> str:
    """The arm, else the first reason that holds: most rows count, and there are many."""
    reasons = _reasons(rows)
    valid = " AND ".join(f"({reason}) IS NOT TRUE" for reason in reasons.values())
    counted = " ".join(
        f"WHEN x.template_id = %(template_{n})s::uuid AND x.ab_test_group = %(arm_{n})s AND {valid} "
        f"THEN {1 << n}::bigint"
        for n in range(rows.arms)
    )
    known = ", ".join(f"%(arm_{n})s" for n in range(rows.arms))
    # Between those that have a unit and those of another kind.
    reasons |= {-4: "x.ab_test_group IS NULL", -5: f"x.ab_test_group NOT IN ({known})"}
    first = " ".join(f"WHEN {reasons[number]} THEN {number}" for number in sorted(reasons, key=_rank))
    named = " ".join(f"WHEN %(arm_{n})s THEN {_MISLABELLED - n}" for n in range(rows.arms))
    return f"CASE {counted} {first} ELSE CASE x.ab_test_group {named} END END"


def _rank(reason: int) -> int:
    return {ATTEMPT: 0, _NOT_OURS: 1}.get(reason, 1 - reason)


def _reasons(rows: Rows) -> dict[int, str]:
    """Why a row does not count that names an arm and was served its template."""
    outside = "x.executed_at < %(started_at)s" + (" OR x.executed_at >= %(ended_at)s" if rows.has_end else "")
    reasons = {
        ATTEMPT: "x.attempt > 1 AND x.request_id IS NOT NULL",
        _NOT_OURS: f"x.experiment_id IS NULL AND ({outside})",
        -1: outside,
        -2: "x.environment IS DISTINCT FROM %(environment)s",
        -3: "x.assignment_unit IS NULL OR x.assignment_unit = ''",
        -6: "x.prompt_source = 'builtin'",
        -7: "x.experiment_phase < %(span)s OR x.experiment_phase IS NULL AND x.executed_at < %(span_started_at)s",
        -8: "coalesce(x.attempt, 1) < r.last",
    }
    del reasons[ATTEMPT if rows.retries else -8]
    if not rows.has_environment:
        del reasons[-2]
    return reasons


def _capped(k: int, n: str, s: str) -> str:
    total = f"least(u.{s}::float8, c.{s})" if s in _CAPPED else f"u.{s}::float8"
    return (
        f", least(u.{n}::float8, c.{n}) AS n{k}, "
        f"{total} * CASE WHEN u.{n}::float8 > c.{n} THEN c.{n} / u.{n}::float8 ELSE 1 END AS s{k}"
    )
