"""A look in the database: what counts, what does not and why, and that it is written down once."""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from counting import until_one_waits
from queries import rows, scalar
from sqlalchemy import Engine, text

from prompt_worker.experiments import looking
from prompt_worker.experiments.judging.look import Look
from prompt_worker.experiments.judging.metrics import QUANTILE
from prompt_worker.experiments.looking import look_at
from prompt_worker.experiments.statistics import capping, quantile
from prompt_worker.experiments.statistics.difference import absolute
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.stored import Experiment
from prompt_worker.platform.postgres.session import Session
from tests.experiments_quality import oracles
from tests.support.experimenting import (
    START,
    add_experiment,
    add_versions,
    arm_of,
    execution,
    get_experiment,
    insert,
)

METRICS = (
    "success_rate", "failure_rate", "blocked_rate", "violation_rate", "execution_time_ms", "token_count", "cost_usd",
    "cost_per_success",
)  # fmt: skip
P95 = "execution_time_p95"


@pytest.fixture
def experiment(engine: Engine) -> Experiment:
    add_versions(engine)
    return add_experiment(engine, protected_metrics=json.dumps([*METRICS[1:], P95]))


def look(engine: Engine, name: str = "wording") -> Look:
    looked = look_at(Session(engine), name)
    assert looked.look is not None
    return looked.look


def some_executions(experiment: Experiment, units: int = 60, seed: int = 1) -> list[dict[str, Any]]:
    random = Random(seed)
    return [
        execution(
            experiment,
            f"user-{unit}",
            execution_time_ms=random.choice([None, random.randrange(100, 2_000)]),
            token_count=random.choice([None, random.randrange(10, 900)]),
            cost_usd=str(round(random.uniform(0, 0.05), 6)),
            status=random.choice(["success", "success", "failure", "blocked", "partial"]),
            guardrail_action=random.choice([None, "allow", "warn", "block"]),
        )
        for unit in range(units)
        for _ in range(random.randrange(1, 9))
    ]


def expected_moments(executions: list[dict[str, Any]]) -> dict[str, dict[str, Moments]]:
    """As the definitions say, in Python."""
    units: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for each in executions:
        units[each["ab_test_group"], each["assignment_unit"]].append(each)
    pairs: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for (arm, _), calls in units.items():
        count = len(calls)
        success = sum(call["status"] == "success" for call in calls)
        cost = _sum(calls, "cost_usd")
        for metric, n, s in (
            ("success_rate", count, success),
            ("failure_rate", count, sum(call["status"] == "failure" for call in calls)),
            (
                "blocked_rate",
                count,
                sum("block" in (call["status"][:5], call["guardrail_action"]) for call in calls),
            ),
            ("violation_rate", count, sum(call["guardrail_action"] in ("warn", "block") for call in calls)),
            ("execution_time_ms", _count(calls, "execution_time_ms"), _sum(calls, "execution_time_ms")),
            ("token_count", _count(calls, "token_count"), _sum(calls, "token_count")),
            ("cost_usd", _count(calls, "cost_usd"), cost),
            ("cost_per_success", success, cost),
        ):
            if n or s:
                pairs[metric].append((arm, n, s))
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for metric, values in pairs.items():
        most = capping.cap_of([n for _, n, _ in values if n])
        most_s = capping.cap_of([s for *_, s in values]) if metric[:4] in ("toke", "cost") else None
        for arm, n, s in values:
            total = s if most_s is None else min(s, most_s)
            found[metric][arm].append(capping.capped(n, total, most))
    return {metric: {arm: Moments.of(pairs) for arm, pairs in arms.items()} for metric, arms in found.items()}


def _sum(calls: list[dict[str, Any]], name: str) -> float:
    return sum(float(call[name] or 0) for call in calls)


def _count(calls: list[dict[str, Any]], name: str) -> int:
    return sum(call[name] is not None for call in calls)


def test_sums_are_those_of_the_definitions(engine: Engine, experiment: Experiment) -> None:
    executions = some_executions(experiment)
    insert(engine, executions)
    expected = expected_moments(executions)
    measured = look(engine).evidence.measured
    for metric in METRICS:
        for arm in experiment.arms:
            found, wanted = measured[metric][arm].moments, expected[metric][arm]
            assert vars_of(found) == pytest.approx(vars_of(wanted), rel=1e-9), (metric, arm)


def vars_of(moments: Moments) -> list[float]:
    return [
        moments.units,
        moments.weight,
        moments.total,
        moments.squares,
        moments.cross,
        moments.weight_squares,
    ]


def test_sums_in_the_database_give_what_tea_tasting_gives(engine: Engine, experiment: Experiment) -> None:
    expected = json.loads(Path(oracles.__file__).with_suffix(".json").read_text(encoding="utf-8"))[
        "tea-tasting"
    ]
    insert(
        engine,
        [
            execution(experiment, unit, status="success" if call < successes else "failure")
            for arm, pairs in oracles.ARMS.items()
            for unit, (calls, successes) in zip(units_of(experiment, arm, len(pairs)), pairs, strict=True)
            for call in range(calls)
        ],
    )
    measured = look(engine).evidence.measured["success_rate"]
    found = absolute(measured["control"].moments, measured["variant_a"].moments)
    assert found is not None
    assert (found.estimate, found.p_value) == pytest.approx(
        (expected["difference"], expected["p_value"]), rel=1e-9
    )
    assert found.interval(oracles.ALPHA) == pytest.approx(expected["interval"], rel=1e-9)


def test_view_has_the_sums_of_a_look(engine: Engine, experiment: Experiment) -> None:
    insert(engine, some_executions(experiment))
    measured = look(engine).evidence.measured
    found = rows(
        engine,
        'SELECT metric, arm, units, weight, total, squares, "cross", weight_squares FROM v_ab_test_arms '
        "WHERE experiment_id = :id",
        id=experiment.id,
    )
    assert len(found) == len(METRICS) * 2
    for metric, arm, *sums in found:
        assert [float(each) for each in sums] == pytest.approx(
            vars_of(measured[metric][arm].moments), rel=1e-9
        )


def test_quantile_is_clustered_by_unit(engine: Engine, experiment: Experiment) -> None:
    executions = some_executions(experiment)
    insert(engine, executions)
    measured = look(engine).evidence.measured[P95]
    for arm in experiment.arms:
        units: dict[str, list[float]] = defaultdict(list)
        for each in executions:
            if each["ab_test_group"] == arm and each["execution_time_ms"] is not None:
                units[each["assignment_unit"]].append(each["execution_time_ms"])
        wanted = quantile.of_calls(QUANTILE, units.values())
        assert (measured[arm].value, measured[arm].variance) == pytest.approx(wanted)


def test_every_execution_counts_or_has_a_reason(engine: Engine, experiment: Experiment) -> None:
    unit = next(f"u{n}" for n in range(99) if arm_of(experiment, f"u{n}") == "control")
    other = next(f"u{n}" for n in range(99) if arm_of(experiment, f"u{n}") == "variant_a")
    before = (START - timedelta(seconds=1)).isoformat()
    left_out = {
        "out_of_time": execution(experiment, unit, executed_at=before),
        "no_unit": execution(experiment, unit, assignment_unit=None),
        "outside": execution(experiment, unit, ab_test_group=None),
        "unknown_arm": execution(experiment, unit, ab_test_group="variant_z"),
        "builtin": execution(experiment, unit, prompt_source="builtin"),
        "mislabelled": execution(experiment, unit, version=2),
    }
    twice = [
        execution(experiment, "both", ab_test_group="control", version=1),
        execution(experiment, "both", ab_test_group="variant_a", version=2),
    ]
    insert(engine, [*left_out.values(), *twice, execution(experiment, unit), execution(experiment, other)])
    evidence = look(engine).evidence
    assert evidence.excluded == {**dict.fromkeys(left_out, 1), "in_two_arms": 2}
    assert evidence.rows == {"control": 1, "variant_a": 1}
    assert evidence.in_two_arms == 1
    counted = rows(
        engine,
        "SELECT coalesce(excluded, 'counts'), sum(calls) FROM v_ab_test_units WHERE experiment_id = :id GROUP BY 1",
        id=experiment.id,
    )
    assert dict(counted) == {**evidence.excluded, "counts": 2}


def test_another_environment_does_not_count(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, environment="production")
    insert(engine, [execution(experiment, "u1"), execution(experiment, "u1", environment="staging")])
    evidence = look(engine).evidence
    assert evidence.excluded == {"other_environment": 1}
    assert sum(evidence.rows.values()) == 1


def test_last_attempt_of_a_request_counts_alone(engine: Engine, experiment: Experiment) -> None:
    request = str(uuid4())
    insert(
        engine,
        [
            execution(experiment, "u1", request_id=request, attempt=attempt, status=status)
            for attempt, status in ((1, "failure"), (3, "success"), (2, "failure"))
        ],
    )
    found = look(engine)
    moments = found.evidence.measured["success_rate"][arm_of(experiment, "u1") or ""].moments
    assert (moments.weight, moments.total) == (1, 1)
    assert found.evidence.excluded == {"retried": 2}


def test_start_counts_and_end_does_not_in_every_zone(engine: Engine) -> None:
    add_versions(engine)
    end = START + timedelta(days=2)
    experiment = add_experiment(engine, actual_end_date=end)
    times = ["2026-03-03T02:00:00+14:00", "2026-03-04T00:00:00-12:00", "2026-03-04T11:59:59.999999+00:00"]
    late = ["2026-03-05T02:00:00+14:00", "2026-03-04T00:00:01-12:00"]
    insert(engine, [execution(experiment, "u1", executed_at=time) for time in [*times, *late]])
    evidence = look(engine).evidence
    assert sum(evidence.rows.values()) == 2
    assert evidence.excluded == {"out_of_time": 3}


def test_same_events_three_times_are_one_look(engine: Engine, experiment: Experiment) -> None:
    executions = some_executions(experiment)
    seen = []
    for _ in range(3):
        insert(engine, executions)
        looked = look_at(Session(engine), "wording")
        assert looked.look is not None
        seen.append((looked.is_new, looked.look.evidence.rows, looked.look.comparisons))
    assert [is_new for is_new, *_ in seen] == [True, False, False]
    assert seen[0][1:] == seen[1][1:] == seen[2][1:]
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks") == 1


def test_event_without_experiment_belongs_by_name_group_and_time(
    engine: Engine, experiment: Experiment
) -> None:
    old = {"experiment_id": None, "experiment_phase": None, "ab_test_group": "control", "version": 1}
    insert(
        engine,
        [
            execution(experiment, "u1", **old),
            execution(experiment, "u2", **old, executed_at=(START - timedelta(hours=1)).isoformat()),
            execution(experiment, "u3", **{**old, "experiment_id": str(uuid4())}),
        ],
    )
    assert look(engine).evidence.rows == {"control": 1, "variant_a": 0}
    assert scalar(engine, "SELECT control_executions FROM v_ab_test_statistics") == 1


def units_of(experiment: Experiment, arm: str, count: int) -> list[str]:
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if arm_of(experiment, f"user-{number}") == arm:
            found.append(f"user-{number}")
    return found


def plant(engine: Engine, experiment: Experiment, control: float, variant: float, units: int = 600) -> None:
    """Three calls of each unit, of which the given parts succeed."""
    random = Random(15)
    insert(
        engine,
        [
            execution(experiment, unit, status="success" if random.random() < rate else "failure")
            for arm, rate in (("control", control), ("variant_a", variant))
            for unit in units_of(experiment, arm, units)
            for _ in range(3)
        ],
    )


def test_winner_is_proposed_in_the_columns_of_the_contract(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine)
    plant(engine, experiment, 0.6, 0.8)
    found = look(engine)
    assert found.verdict.name == "winner"
    [(control, variants, p_value, winner, declared, status)] = rows(
        engine,
        "SELECT control_metric_value, variant_metric_values, statistical_significance, winner_variant, "
        "winner_declared_at IS NOT NULL, status FROM ab_test_experiments",
    )
    assert control == pytest.approx(0.6, abs=0.05)
    assert variants == {"variant_a": pytest.approx(0.8, abs=0.05)}
    assert p_value == found.p_value
    assert (winner, declared, status) == ("variant_a", True, "active")


def test_look_that_proposes_a_winner_and_an_owner_never_wait_for_each_other(engine: Engine) -> None:
    add_versions(engine)
    plant(engine, add_experiment(engine), 0.6, 0.8)
    with ThreadPoolExecutor(1) as pool, engine.begin() as owner:
        owner.execute(text("SELECT FROM prompt_registry FOR NO KEY UPDATE"))
        looking_now = pool.submit(look, engine)
        until_one_waits(engine)
        owner.execute(text("SET LOCAL lock_timeout = '300ms'"))
        owner.execute(text("UPDATE ab_test_experiments SET status = 'paused'"))
        owner.commit()
        assert looking_now.result().verdict.name == "winner"


def test_planned_look_stays_what_it_was(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, minimum_sample_size=400)
    plant(engine, experiment, 0.7, 0.7, units=200)
    first = look(engine)
    assert first.planned is not None
    plant(engine, experiment, 0.5, 0.9, units=300)
    second = look(engine)
    assert second.planned is None
    assert second.comparisons[0].planned == first.planned["success_rate variant_a"].p_value
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks WHERE planned") == 1


def test_wrong_sample_ratio_has_no_winner(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine)
    random = Random(3)
    insert(
        engine,
        [
            execution(experiment, unit, status="success" if random.random() < rate else "failure")
            for arm, rate, count in (("control", 0.6, 4_800), ("variant_a", 0.8, 5_200))
            for unit in units_of(experiment, arm, count)
        ],
    )
    assert look(engine).verdict.name == "srm_failed"
    [(p_value, winner, value)] = rows(
        engine,
        "SELECT statistical_significance, winner_variant, control_metric_value FROM ab_test_experiments",
    )
    assert (p_value, winner, value) == (None, None, None)


def test_arm_that_another_template_was_served_for_is_invalid(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine)
    plant(engine, experiment, 0.6, 0.8)
    insert(engine, [execution(experiment, f"w{n}", ab_test_group="variant_a", version=1) for n in range(5)])
    assert look(engine).verdict.name == "invalid"


def test_one_unit_with_most_calls_does_not_change_the_verdict(engine: Engine) -> None:
    add_versions(engine)
    experiment = add_experiment(engine, minimum_sample_size=400)
    plant(engine, experiment, 0.7, 0.7, units=200)
    insert(engine, [execution(experiment, "user-1", status="failure") for _ in range(2_000)])
    assert look(engine).verdict.name == "inconclusive"


def test_two_evaluators_at_once_store_one_look(engine: Engine, experiment: Experiment) -> None:
    insert(engine, some_executions(experiment))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: look_at(Session(engine), "wording"), range(6)))
    assert sum(each.is_new for each in found) == 1
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks") == 1


def test_evaluator_killed_before_the_verdict_leaves_no_look(
    engine: Engine, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(engine, some_executions(experiment))

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(looking, "_update", killed)
        with pytest.raises(KilledError):
            look(engine)
    assert scalar(engine, "SELECT count(*) FROM ab_test_looks") == 0
    assert look_at(Session(engine), "wording").is_new


def test_audit_counts_what_was_not_served_as_assigned(engine: Engine, experiment: Experiment) -> None:
    executions = some_executions(experiment)
    insert(engine, executions)
    audit = "SELECT phase, executions, wrong FROM v_ab_test_audit WHERE experiment_id = :id"
    assert rows(engine, audit, id=experiment.id) == [(1, len(executions), 0)]
    wrong = "control" if arm_of(experiment, "user-1") == "variant_a" else "variant_a"
    insert(engine, [execution(experiment, "user-1", ab_test_group=wrong)])
    assert rows(engine, audit, id=experiment.id) == [(1, len(executions) + 1, 1)]


def test_experiment_without_events_collects(engine: Engine, experiment: Experiment) -> None:
    found = look(engine)
    assert found.verdict.name == "collecting"
    assert found.p_value is None
    assert get_experiment(engine).verdict == "collecting"
