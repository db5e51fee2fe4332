"""Which part of the units a canary gets, step by step."""

from __future__ import annotations

import pytest

from prompt_worker.experiments.allocation import stepped
from prompt_worker.experiments.rollouts.steps import TermsError, steps_from


@pytest.mark.parametrize(
    ("first", "steps", "expected"),
    [
        (10, None, [10, 50, 100]),
        (None, None, [10, 50, 100]),
        (50, None, [50, 100]),
        (1, None, [1, 10, 50, 100]),
        (75, None, [75, 100]),
        (None, [5, 25], [5, 25, 100]),
        (5, [5, 100], [5, 100]),
        (0.01, [0.01], [0.01, 100]),
    ],
)
def test_steps_end_with_everybody(
    first: float | None, steps: list[float] | None, expected: list[float]
) -> None:
    assert steps_from(first, steps) == expected


@pytest.mark.parametrize(
    ("first", "steps", "why"),
    [
        (100, None, "no canary"),
        (0, None, "0.01 %"),
        (float("nan"), None, "0.01 %"),
        (None, [], "0.01 %"),
        (None, [50, 10], "larger than the one before"),
        (None, [10, 10], "larger than the one before"),
        (None, [10, float("nan")], "larger than the one before"),
        (None, [10, 150], "at most 100"),
        (None, [10, 99.999], "two decimals"),
        (99.999, None, "two decimals"),
        (20, [10, 100], "give one"),
    ],
)
def test_steps_that_lead_nowhere_are_refused(
    first: float | None, steps: list[float] | None, why: str
) -> None:
    with pytest.raises(TermsError, match=why):
        steps_from(first, steps)


def test_each_step_contains_the_one_before() -> None:
    ranges = stepped([], "canary", 0.01)
    assert [(each.start, each.beyond, each.arm) for each in ranges] == [
        (0, 1, "canary"),
        (1, 10_000, "control"),
    ]
    before: set[int] = set()
    for percent in (0.5, 10, 50):
        ranges = stepped(ranges, "canary", percent)
        buckets = {
            bucket for each in ranges if each.arm == "canary" for bucket in range(each.start, each.beyond)
        }
        assert len(buckets) == percent * 100
        assert before <= buckets
        before = buckets
        assert sum(each.beyond - each.start for each in ranges) == 10_000
