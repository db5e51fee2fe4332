"""The verdict is the first that holds, and no number is shown that may not be trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec
import pytest

from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.judging.evidence import CONTROL, Evidence, History, Measured, PhaseUnits, Plan
from prompt_worker.experiments.judging.look import Look, take_look
from prompt_worker.experiments.judging.metrics import find_metric
from prompt_worker.experiments.statistics.moments import Moments

START = datetime(2026, 3, 2, tzinfo=UTC)
PLAN = Plan(
    id=UUID(int=1),
    name="wording",
    arms=(CONTROL, "variant_a"),
    primary="success_rate",
    planned_units=4_000,
    started_at=START,
)
Units = list[tuple[float, float]]


def units(count: int, rate: float, seed: int = 0) -> Units:
    """Users with five calls each, of which some succeed."""
    random = Random(seed)
    return [(5, sum(random.random() < rate for _ in range(5))) for _ in range(count)]


def evidence(
    arms: dict[str, Units], *, days: float = 10, metric: str = "success_rate", **other: object
) -> Evidence:
    counts = {arm: len(found) for arm, found in arms.items()}
    fields: dict[str, object] = {
        "at": START + timedelta(days=days),
        "units": counts,
        "rows": {arm: int(sum(n for n, _ in found)) for arm, found in arms.items()},
        "measured": {metric: {arm: Measured(Moments.of(found)) for arm, found in arms.items()}},
        "phases": (PhaseUnits(1, counts, dict.fromkeys(counts, 1 / len(counts))),),
    }
    return Evidence(**{**fields, **other})  # type: ignore[arg-type]


def look(found: Evidence, history: History | None = None, **plan: object) -> Look:
    return take_look(msgspec.structs.replace(PLAN, **plan), found, history or History())


def two(before: float, after: float, count: int = 2_000) -> dict[str, Units]:
    return {CONTROL: units(count, before, 1), "variant_a": units(count, after, 2)}


def test_better_arm_wins_at_the_planned_size() -> None:
    found = look(evidence(two(0.8, 0.83)))
    assert (found.verdict.name, found.verdict.arm) == ("winner", "variant_a")
    assert found.p_value is not None
    assert found.p_value <= 0.05
    assert found.planned


def test_better_arm_does_not_win_in_less_than_a_week() -> None:
    assert look(evidence(two(0.5, 0.9), days=6.9)).verdict.name == "collecting"


def test_better_arm_of_fewer_than_100_units_does_not_win() -> None:
    found = look(evidence(two(0.3, 0.9, count=99)))
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.verdict.name == "collecting"


def test_large_difference_wins_before_the_planned_size() -> None:
    found = look(evidence(two(0.5, 0.7, count=600)))
    assert found.verdict.name == "winner"
    assert not found.planned


def test_worse_arm_is_harmful_within_a_day() -> None:
    found = look(evidence(two(0.8, 0.5, count=200), days=0.2))
    assert (found.verdict.name, found.verdict.arm) == ("harmful", "variant_a")


def test_few_units_are_not_yet_harm() -> None:
    assert look(evidence(two(0.9, 0.1, count=49), days=0.2)).verdict.name == "collecting"


def test_less_is_better_of_a_cost() -> None:
    def cost(mean: float, seed: int) -> Units:
        random = Random(seed)
        return [(1, mean * random.uniform(0.5, 1.5)) for _ in range(2_000)]

    arms = {CONTROL: cost(0.02, 1), "variant_a": cost(0.018, 2)}
    assert look(evidence(arms, metric="cost_usd"), primary="cost_usd").verdict.name == "winner"
    arms = {CONTROL: cost(0.02, 1), "variant_a": cost(0.03, 2)}
    assert look(evidence(arms, metric="cost_usd"), primary="cost_usd").verdict.name == "harmful"


def test_winner_may_not_be_worse_by_a_protected_metric() -> None:
    found = evidence(two(0.8, 0.84))
    slower = {
        CONTROL: Measured(Moments.of([(5, 1000 + i % 300) for i in range(2_000)])),
        "variant_a": Measured(Moments.of([(5, 1006 + i % 300) for i in range(2_000)])),
    }
    measured = {**found.measured, "execution_time_ms": slower}
    found = msgspec.structs.replace(found, measured=measured)
    assert look(found).verdict.name == "winner"
    judged = look(found, protected=("execution_time_ms",))
    assert judged.verdict.name in ("harmful", "inconclusive")
    assert "variant_a is worse by execution_time_ms" in judged.verdict.why


def test_sample_ratio_hides_a_difference_however_clear() -> None:
    arms = {CONTROL: units(4_800, 0.8, 1), "variant_a": units(5_200, 0.9, 2)}
    found = look(evidence(arms))
    assert found.verdict.name == "srm_failed"
    assert found.p_value is None
    assert found.comparisons == []
    assert found.planned is None


def test_failed_sample_ratio_stays_failed() -> None:
    found = look(evidence(two(0.8, 0.83)), History(ratio_p=0.009))
    assert found.verdict.name == "srm_failed"


def test_units_in_two_arms_hide_a_difference() -> None:
    assert look(evidence(two(0.8, 0.83), in_two_arms=9)).verdict.name == "winner"
    assert look(evidence(two(0.8, 0.83), in_two_arms=60)).verdict.name == "srm_failed"


def test_rows_that_another_template_served_make_it_invalid() -> None:
    assert look(evidence(two(0.8, 0.83), mislabelled={"variant_a": 10})).verdict.name == "winner"
    found = look(evidence(two(0.8, 0.83), mislabelled={"variant_a": 11}))
    assert (found.verdict.name, found.p_value) == ("invalid", None)


def test_equal_arms_of_a_known_target_have_no_difference() -> None:
    found = look(evidence(two(0.8, 0.8, count=4_000)), target=0.05)
    assert found.verdict.name == "no_difference"
    assert look(evidence(two(0.8, 0.8)), target=0.001).verdict.name == "inconclusive"


def test_experiment_stopped_early_is_stopped() -> None:
    found = look(evidence(two(0.8, 0.8, count=100)), is_running=False, ended_at=START + timedelta(days=3))
    assert found.verdict.name == "stopped"


def test_planned_look_is_never_taken_again() -> None:
    first = look(evidence(two(0.8, 0.8)))
    assert first.planned is not None
    later = look(evidence(two(0.8, 0.82, count=2_400)), History(first.planned, START))
    assert later.planned is None
    assert later.comparisons[0].planned == first.planned["success_rate variant_a"].p_value


@pytest.mark.parametrize(
    "arms",
    [
        {CONTROL: [], "variant_a": []},
        {CONTROL: [(1.0, 1.0)], "variant_a": [(1.0, 0.0)]},
        {CONTROL: [(1.0, 1.0)] * 3_000, "variant_a": [(1.0, 1.0)] * 3_000},
        {CONTROL: [(2.0, 0.0)] * 3_000, "variant_a": [(2.0, 0.0)] * 3_000},
    ],
    ids=["no unit", "one unit", "all succeed", "none succeeds"],
)
def test_too_few_units_have_no_p_value(arms: dict[str, Units]) -> None:
    found = look(evidence(arms))
    assert found.p_value is None
    assert found.verdict.name in ("collecting", "inconclusive")
    assert b"NaN" not in msgspec.json.encode(found)
    assert b"null" in msgspec.json.encode(found.comparisons)


def test_units_with_most_calls_do_not_decide() -> None:
    arms = two(0.8, 0.8, count=300)
    arms["variant_a"][:2] = [(2_500, 0), (2_500, 10)]
    found = look(evidence(arms))
    assert (found.verdict.name, found.p_value) == ("collecting", None)


def test_several_variants_are_adjusted_together() -> None:
    arms = {**two(0.8, 0.82), "variant_b": units(2_000, 0.8, 3)}
    alone = look(evidence(two(0.8, 0.82))).p_value
    together = look(evidence(arms), arms=(CONTROL, "variant_a", "variant_b")).p_value
    assert alone is not None
    assert together == pytest.approx(min(1.0, 2 * alone), rel=0.2)


@pytest.mark.parametrize("name", ["", "clicks", "feedback:", "success"])
def test_unknown_metric_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="no metric is named"):
        find_metric(name)


def test_feedback_is_a_metric_by_its_name() -> None:
    assert find_metric("feedback:thumbs").good == 1


def test_canary_that_fails_more_than_its_share_is_harmful() -> None:
    plan = {"kind": "rollout", "arms": (CONTROL, "canary"), "primary": "failure_rate"}
    none: Evidence = evidence({CONTROL: units(216, 0.9), "canary": units(24, 0.9)}, phases=())
    bad = msgspec.structs.replace(none, failing={CONTROL: 4, "canary": 8})
    assert look(bad, **plan).verdict.name == "harmful"  # type: ignore[arg-type]
    assert look(bad, **plan).verdict.why == (  # type: ignore[arg-type]
        "8 of 24 units failed with the canary, and 4 of 216 without: 10% of the units have 67% of the failing ones, "
        "p 0.0019"
    )
    good = msgspec.structs.replace(none, failing={CONTROL: 9, "canary": 1})
    assert look(good, **plan).verdict.name == "collecting"  # type: ignore[arg-type]
    assert look(none, **plan).verdict.why == "no harm is found: no failure in 240 units"  # type: ignore[arg-type]


def test_canary_harm_is_judged_before_anything_else_and_by_nothing_else() -> None:
    plan = {"kind": "rollout", "arms": (CONTROL, "canary"), "primary": "failure_rate"}
    worse = evidence({CONTROL: units(2_160, 0.01), "canary": units(240, 0.3)}, phases=())
    assert look(worse, **plan).verdict.name == "collecting"  # type: ignore[arg-type]
    wrong = msgspec.structs.replace(worse, failing={CONTROL: 4, "canary": 80}, mislabelled={CONTROL: 100})
    assert look(wrong, **plan).verdict.name == "harmful"  # type: ignore[arg-type]
    wrong = msgspec.structs.replace(wrong, failing={CONTROL: 9, "canary": 1})
    assert look(wrong, **plan).verdict.name == "invalid"  # type: ignore[arg-type]
