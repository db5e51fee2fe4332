"""Where to look next: which prompts fail, are slow or dear, and how long a test of each would take."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evidence.counting import QUANTILE_CTES, QUANTILE_ROWS
from prompt_worker.experiments.evidence.reading import SETTINGS
from prompt_worker.experiments.judging.comparison import LEAST_EFFECTIVE
from prompt_worker.experiments.judging.metrics import QUANTILE
from prompt_worker.experiments.judging.verdict import DAYS as DAYS_OF_A_TEST
from prompt_worker.experiments.statistics import quantile, sample_size
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile as normal_quantile
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

By = Literal["failures", "p95", "cost"]
BYS: tuple[By, ...] = get_args(By)
# At most so many executions are read, the newest: a second's work.
ROWS = 200_000
DAYS = 14.0
# As far back as the database has dates for it.
MOST_DAYS = 36_500
# The relative change that a test should find.
TARGET = 0.1
_ALPHA = 0.05

_SUGGEST = statement(__name__, "suggest").format(quantiles=QUANTILE_CTES, quantile_rows=QUANTILE_ROWS)


class Found(msgspec.Struct, frozen=True):
    """A value over units, with its 95 % interval; `needed`: units of both arms of a test, `days`: how long it takes, a
    week at least.

    None where too few units say anything, or nothing is left to improve.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    needed: int | None
    days: float | None


class Suggestion(msgspec.Struct, frozen=True):
    """One prompt, all its versions together. `failing`: how many of its calls failed; `no_unit`: calls that no test can
    assign, which are in no other number."""

    name: str
    units: int
    calls: int
    failing: int
    no_unit: int
    units_a_day: float
    failures: Found | None
    p95: Found | None
    cost: Found | None


class Suggestions(msgspec.Struct, frozen=True):
    """`read`: executions, the newest of `asked_days`; they are of the last `days`, and all of them unless `is_cut`.

    `environment`: the only one that was asked for, if one was.
    """

    at: datetime
    asked_days: float
    days: float
    read: int
    is_cut: bool
    environment: str | None
    target: float
    prompts: list[Suggestion]


def suggest(
    session: Session,
    *,
    by: By = "failures",
    days: float = DAYS,
    target: float = TARGET,
    environment: str | None = None,
    rows: int = ROWS,
) -> Suggestions:
    """The prompts with the most failures, the largest p95 or cost of a success first; those without one last.

    `target`: the relative change that a test should find with a probability of 80 %. Raises `ExperimentError`,
    `DeploymentError`.
    """
    if not 0 < days <= MOST_DAYS:
        raise ExperimentError(f"{days:g} days cannot be looked at: give 1 to {MOST_DAYS:,}")
    if not target > 0:
        raise ExperimentError(f"a change of {target:.3%} is none: give a target above 0, such as 10")

    def work(cursor: cursor) -> Suggestions:
        cursor.execute(SETTINGS)
        cursor.execute("SELECT now()")
        ((at,),) = cursor.fetchall()
        parameters = {
            "days": days,
            "environment": environment,
            "rows": rows,
            "probability": QUANTILE,
            "radius": normal_quantile(1 - quantile.LEVEL / 2),
        }
        cursor.execute(_SUGGEST, parameters)
        read = _Read(days, rows, target)
        for what, name, _, units, calls, _, sums in cursor:
            read.add(what, name, units, calls, sums)
        return Suggestions(
            at=at,
            asked_days=days,
            days=read.days,
            read=read.rows,
            is_cut=read.is_cut,
            environment=environment,
            target=target,
            prompts=sorted(read.prompts(), key=_order(by)),
        )

    return session.run(work)


class _Read:
    """The rows of the statement, by prompt."""

    def __init__(self, days: float, most: int, target: float) -> None:
        self.days = days
        self.rows = 0
        self.is_cut = False
        self._most = most
        self._target = target
        self._no_unit: dict[str, int] = {}
        self._sums: dict[str, dict[str, tuple[int, int, list[float]]]] = {}

    def add(self, what: str, name: str, units: int | None, calls: Any, sums: list[float]) -> None:
        if what == "read":
            self.rows = int(calls)
            self.is_cut = self.rows >= self._most
            if self.is_cut:
                # What is older was not read: the rest is of fewer days.
                self.days = max(sums[0], 1e-6)
        elif what == "no_unit":
            self._no_unit[name] = int(calls)
        else:
            self._sums.setdefault(name, {})[what] = units or 0, int(calls or 0), sums

    def prompts(self) -> list[Suggestion]:
        return [self._prompt(name) for name in sorted({*self._no_unit, *self._sums})]

    def _prompt(self, name: str) -> Suggestion:
        sums = self._sums.get(name, {})
        units, calls, failures = sums.get("failures", (0, 0, []))
        rate = units / self.days
        return Suggestion(
            name=name,
            units=units,
            calls=calls,
            failing=int(failures[1]) if failures else 0,
            no_unit=self._no_unit.get(name, 0),
            units_a_day=rate,
            failures=self._ratio("failure_rate", sums.get("failures"), rate),
            p95=self._quantile(sums.get("quantile"), rate),
            cost=self._ratio("cost_per_success", sums.get("cost"), rate),
        )

    def _ratio(self, metric: str, found: tuple[int, int, list[float]] | None, rate: float) -> Found | None:
        if found is None:
            return None
        moments = Moments(found[0], *found[2])
        return self._found(metric, moments, moments.ratio, moments.variance, rate)

    def _quantile(self, found: tuple[int, int, list[float]] | None, rate: float) -> Found | None:
        if found is None:
            return None
        units, calls, (*sums, value, low, high) = found
        variance = quantile.variance_between(low, high)
        return self._found("execution_time_p95", Moments(units, calls, *sums), value, variance, rate)

    def _found(
        self, metric: str, moments: Moments, value: float | None, variance: float | None, rate: float
    ) -> Found | None:
        if value is None:
            return None
        if variance is None or moments.effective_units < LEAST_EFFECTIVE:
            return Found(metric, value, None, None, None)
        radius = normal_quantile(1 - _ALPHA / 2) * math.sqrt(variance)
        needed = None
        if value > 0 and variance > 0:
            # In each of two arms.
            needed = 2 * sample_size.of_means(variance * moments.units, value * self._target, _ALPHA)
        days = max(float(DAYS_OF_A_TEST), needed / rate) if needed and rate else None
        return Found(metric, value, (max(0.0, value - radius), value + radius), needed, days)


def _order(by: By) -> Any:
    def key(each: Suggestion) -> tuple[float, str]:
        found: Found | None = getattr(each, by)
        amount = each.failing if by == "failures" else (found.value if found else -1.0)
        return -amount, each.name

    return key
