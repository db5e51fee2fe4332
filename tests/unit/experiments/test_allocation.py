"""Ranges that grow keep the members of each arm."""

from __future__ import annotations

import pytest

from prompt_worker.experiments.allocation import can_grow, grown, ranges_of, stepped
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.prompts.assignment import Assignment, Range, read_ranges

UNITS = [f"user-{number}" for number in range(2_000)]


def arms(ranges: list[Range]) -> dict[str, str | None]:
    read_ranges([[each.start, each.beyond, each.arm] for each in ranges])
    assignment = Assignment("seed", ranges)
    return {unit: assignment.arm_of(unit)[1] for unit in UNITS}


def size(ranges: list[Range], arm: str) -> int:
    return sum(each.beyond - each.start for each in ranges if each.arm == arm)


def test_shares_become_buckets_and_the_rest_is_outside() -> None:
    ranges = ranges_of({"variant_a": 12.34, "control": 50})
    assert ranges == [Range(0, 5_000, "control"), Range(5_000, 6_234, "variant_a")]
    assert None in arms(ranges).values()


def test_growth_keeps_the_members_of_every_arm() -> None:
    shares = [
        {"control": 5, "variant_a": 5},
        {"control": 20, "variant_a": 30},
        {"control": 50, "variant_a": 50},
    ]
    ranges: list[Range] = []
    members: dict[str, str | None] = dict.fromkeys(UNITS)
    for each in shares:
        assert can_grow(ranges, each)
        ranges = grown(ranges, each)
        for arm, share in each.items():
            assert size(ranges, arm) == share * 100
        now = arms(ranges)
        assert all(arm is None or now[unit] == arm for unit, arm in members.items())
        members = now


def test_arm_that_would_shrink_needs_a_new_seed() -> None:
    before = ranges_of({"control": 50, "variant_a": 50})
    assert not can_grow(before, {"control": 40, "variant_a": 60})
    with pytest.raises(ExperimentError, match="new seed"):
        grown(before, {"control": 40, "variant_a": 60})


def test_canary_keeps_its_units_at_each_step() -> None:
    ranges = stepped([], "canary", 10)
    assert (size(ranges, "canary"), size(ranges, "control")) == (1_000, 9_000)
    for share in (50, 100):
        before, ranges = arms(ranges), stepped(ranges, "canary", share)
        now = arms(ranges)
        assert size(ranges, "canary") == share * 100
        assert all(now[unit] == "canary" for unit, arm in before.items() if arm == "canary")


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({"control": 60, "variant_a": 50}, "add up to 110"),
        ({"control": 50, "variant_a": 0}, "weight of variant_a is 0"),
        ({"control": 50, "variant_a": -5}, "weight of variant_a is -5"),
        ({"control": 50}, "needs the arm control and another"),
        ({"variant_a": 50, "variant_b": 50}, "needs the arm control"),
    ],
)
def test_weights_that_cannot_work_are_refused(shares: dict[str, float], why: str) -> None:
    with pytest.raises(ExperimentError, match=why):
        ranges_of(shares)
