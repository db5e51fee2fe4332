"""What a look reads is what the definitions say: random executions, counted by PostgreSQL and in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from queries import rows
from sqlalchemy import Engine

from prompt_worker.experiments.judging.evidence import Evidence
from prompt_worker.experiments.judging.metrics import QUANTILE
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.statistics import capping, quantile
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.stored import Experiment
from prompt_worker.platform.postgres.session import Session
from tests.support.experimenting import START, add_experiment, add_versions, get_experiment, insert

METRICS = (
    "success_rate", "failure_rate", "blocked_rate", "violation_rate", "execution_time_ms", "token_count", "cost_usd",
    "cost_per_success",
)  # fmt: skip
P95 = "execution_time_p95"
END = START + timedelta(days=3)
SECOND_PHASE = START + timedelta(days=1)
Row = dict[str, Any]


@pytest.fixture
def experiment(engine: Engine) -> Experiment:
    """Three arms, of one environment, with an end and two phases of which only the second is compared."""
    add_versions(engine, 4)
    add_experiment(
        engine,
        arms={"control": 1, "variant_a": 2, "variant_b": 3},
        protected_metrics=json.dumps([*METRICS[1:], P95]),
        environment="production",
        actual_end_date=END,
    )
    rows(
        engine,
        "INSERT INTO ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, started_at, why, "
        "created_by) SELECT experiment_id, 2, 'another', ranges, allocation, true, :at, 'other weights', 'test' "
        "FROM ab_test_phases",
        at=SECOND_PHASE,
    )
    return get_experiment(engine)


def some_rows(experiment: Experiment, random: Random, number: int = 900, units: int = 70) -> list[Row]:
    """Most of them count; the others do not, for every reason there is, and sometimes for several."""
    versions = {arm: version for version, arm in enumerate(experiment.arms, 1)}
    arm_of = {unit: random.choice(list(versions)) for unit in range(units)}
    found: list[Row] = []
    for _ in range(number):
        # One unit has a third of all calls.
        unit = 0 if random.random() < 0.33 else random.randrange(units)
        arm = arm_of[unit] if random.random() < 0.995 else random.choice(list(versions))
        at = START + timedelta(days=random.uniform(0.9, 3.02))
        row = {
            "id": str(UUID(int=random.getrandbits(128))),
            "version": versions[arm],
            "ab_test_group": arm,
            "request_id": str(UUID(int=random.getrandbits(128))),
            "experiment_id": str(experiment.id),
            "experiment_phase": 2 if at >= SECOND_PHASE else 1,
            "assignment_unit": f"ünit-{unit}",
            "executed_at": at.isoformat(),
            "environment": "production",
            "prompt_source": "live",
            "attempt": random.choice([None, 1, 1]),
            "status": random.choice(["success", "success", "failure", "blocked", "partial"]),
            "guardrail_action": random.choice([None, "allow", "warn", "block"]),
            "execution_time_ms": random.choice([None, random.randrange(2_000), 700]),
            "token_count": random.choice([None, random.randrange(900)]),
            "cost_usd": random.choice([None, str(round(random.uniform(0, 0.05), 6))]),
        }
        if found and random.random() < 0.1:
            row |= {"request_id": random.choice(found)["request_id"], "attempt": random.choice([1, 2, 3])}
        if random.random() < 0.15:
            row |= random.choice(
                [
                    {"environment": "staging"},
                    {"assignment_unit": None},
                    {"assignment_unit": ""},
                    {"ab_test_group": None},
                    {"ab_test_group": "variant_z"},
                    {"prompt_source": "builtin"},
                    {"experiment_phase": None},
                    {"experiment_phase": 1},
                    {"experiment_phase": 3},
                    {"version": 4},
                    {"experiment_id": None},
                    {"experiment_id": str(UUID(int=7))},
                    {"request_id": None, "attempt": 2},
                ]
            )
        found.append(row)
    return found


class Expected:
    """The definitions, one row after the other."""

    def __init__(self, experiment: Experiment, executions: Iterable[Row]) -> None:
        self._experiment = experiment
        self._versions = {arm: version for version, arm in enumerate(experiment.arms, 1)}
        known = [row for row in executions if self._is_of_experiment(row)]
        self._last: dict[str, int] = defaultdict(int)
        for row in known:
            if row["request_id"] and (row["attempt"] or 0) > 1:
                self._last[row["request_id"]] = max(self._last[row["request_id"]], row["attempt"])
        self.excluded: dict[str, int] = defaultdict(int)
        self.mislabelled: dict[str, int] = defaultdict(int)
        units: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in known:
            reason = self._reason(row)
            if reason is None:
                units[row["assignment_unit"]][row["ab_test_group"]].append(row)
                continue
            self.excluded[reason] += 1
            if reason == "mislabelled":
                self.mislabelled[row["ab_test_group"]] += 1
        self.in_two_arms = sum(len(arms) > 1 for arms in units.values())
        if self.in_two_arms:
            self.excluded["in_two_arms"] = sum(
                len(calls) for arms in units.values() if len(arms) > 1 for calls in arms.values()
            )
        self.calls = [
            (arm, calls) for arms in units.values() if len(arms) == 1 for arm, calls in arms.items()
        ]

    def _is_of_experiment(self, row: Row) -> bool:
        at = datetime.fromisoformat(row["executed_at"])
        if row["experiment_id"] is None:
            return row["ab_test_group"] is not None and START <= at < END
        return bool(row["experiment_id"] == str(self._experiment.id))

    def _reason(self, row: Row) -> str | None:
        at, arm = datetime.fromisoformat(row["executed_at"]), row["ab_test_group"]
        phase = row["experiment_phase"]
        reasons = {
            "out_of_time": not START <= at < END,
            "other_environment": row["environment"] != "production",
            "no_unit": not row["assignment_unit"],
            "outside": arm is None,
            "unknown_arm": arm not in self._versions,
            "builtin": row["prompt_source"] == "builtin",
            "earlier_phase": at < SECOND_PHASE if phase is None else phase < 2,
            "retried": (row["attempt"] or 1) < self._last.get(row["request_id"], 0),
            "mislabelled": row["version"] != self._versions.get(arm),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def by_arm(self, number: Any) -> dict[str, int]:
        """Of the units of each arm, the sum of `number` of their calls."""
        return {arm: sum(number(calls) for of, calls in self.calls if of == arm) for arm in self._versions}

    def moments(self, metric: str) -> dict[str, Moments]:
        pairs = [(arm, *self._pair(metric, calls)) for arm, calls in self.calls]
        pairs = [(arm, n, s) for arm, n, s in pairs if n or s]
        most = capping.cap_of([n for _, n, _ in pairs if n])
        is_capped = metric in ("token_count", "cost_usd", "cost_per_success")
        # By those units that have any.
        sums = [self._pair(metric, calls)[1] for _, calls in self.calls if self._has(metric, calls)]
        most_s = capping.cap_of(sums) if is_capped else None
        by_arm: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for arm, n, s in pairs:
            by_arm[arm].append(capping.capped(n, s if most_s is None else min(s, most_s), most))
        return {arm: Moments.of(units) for arm, units in by_arm.items()}

    def quantile(self, arm: str) -> tuple[float, float] | None:
        times = [
            [call["execution_time_ms"] for call in calls if call["execution_time_ms"] is not None]
            for of, calls in self.calls
            if of == arm
        ]
        return quantile.of_calls(QUANTILE, times)

    @staticmethod
    def _has(metric: str, calls: list[Row]) -> bool:
        column = "token_count" if metric == "token_count" else "cost_usd"
        return any(call[column] is not None for call in calls)

    @staticmethod
    def _pair(metric: str, calls: list[Row]) -> tuple[float, float]:
        success = sum(call["status"] == "success" for call in calls)
        times, tokens, costs = (
            [call[column] for call in calls if call[column] is not None]
            for column in ("execution_time_ms", "token_count", "cost_usd")
        )
        # As the exact decimals that they are.
        cost = sum(round(float(each) * 1e6) for each in costs) / 1e6
        count = len(calls)
        return {
            "success_rate": (count, success),
            "failure_rate": (count, sum(call["status"] == "failure" for call in calls)),
            "blocked_rate": (
                count,
                sum(call["status"] == "blocked" or call["guardrail_action"] == "block" for call in calls),
            ),
            "violation_rate": (count, sum(call["guardrail_action"] in ("warn", "block") for call in calls)),
            "execution_time_ms": (len(times), sum(times)),
            "token_count": (len(tokens), sum(tokens)),
            "cost_usd": (len(costs), cost),
            "cost_per_success": (success, cost),
        }[metric]


def sums(moments: Moments) -> list[float]:
    return [
        moments.units, moments.weight, moments.total, moments.squares, moments.cross, moments.weight_squares,
    ]  # fmt: skip


def check(evidence: Evidence, expected: Expected, arms: Mapping[str, UUID]) -> None:
    assert evidence.excluded == dict(sorted(expected.excluded.items()))
    assert evidence.mislabelled == expected.mislabelled
    assert evidence.in_two_arms == expected.in_two_arms
    assert evidence.units == expected.by_arm(lambda _: 1)
    assert evidence.rows == expected.by_arm(len)
    assert evidence.failing == expected.by_arm(
        lambda calls: any(call["status"] == "failure" for call in calls)
    )
    [phase] = evidence.phases
    served = expected.by_arm(lambda calls: any(call["experiment_phase"] in (2, None) for call in calls))
    assert (phase.phase, phase.units) == (2, served)
    for metric in METRICS:
        wanted = expected.moments(metric)
        assert evidence.measured[metric].keys() == wanted.keys()
        for arm in wanted:
            found = sums(evidence.measured[metric][arm].moments)
            # Sums of whole numbers are exact, others but for the order in which they are added.
            is_whole = all(float(each).is_integer() for each in sums(wanted[arm]))
            assert found == (
                sums(wanted[arm]) if is_whole else pytest.approx(sums(wanted[arm]), rel=1e-13)
            ), metric
    for arm in arms:
        found_one = evidence.measured[P95][arm]
        assert (found_one.value, found_one.variance) == expected.quantile(arm)


@pytest.mark.parametrize("seed", [15, 16])
def test_random_executions_are_counted_as_the_definitions_say(
    engine: Engine, experiment: Experiment, seed: int
) -> None:
    executions = some_rows(experiment, Random(seed))
    insert(engine, executions)
    looked = look_at(Session(engine), "wording")
    assert looked.look is not None
    expected = Expected(experiment, executions)
    assert len(expected.excluded) == 10
    check(looked.look.evidence, expected, experiment.arms)
