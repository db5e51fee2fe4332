"""Small simulations with seeds; `python -m tests.experiments_quality` runs two thousand tests of each."""

from __future__ import annotations

import math

from tests.experiments_quality.simulating import Truth, simulate, simulate_canary, simulate_ratio

TESTS = 150


def bound(level: float, tests: int) -> float:
    """How many of `tests` may be wrong at `level`: with three standard errors."""
    return level * tests + 3 * math.sqrt(level * (1 - level) * tests)


def test_equal_arms_rarely_win_or_lose_under_looks() -> None:
    tally = simulate(Truth(), TESTS, seed=15)
    assert tally.rejected <= bound(0.05, TESTS)
    assert tally.ever["winner"] + tally.ever["harmful"] + tally.ever["srm_failed"] <= bound(0.05, TESTS)
    # Looking at calls finds a difference that is not there in most of the same tests.
    assert tally.calls_at_any_look > TESTS / 3


def test_better_arm_wins_nearly_as_often_as_at_a_fixed_size() -> None:
    tally = simulate(Truth(rates=(0.8, 0.84)), TESTS, seed=15)
    assert tally.ever["winner"] >= 0.9 * tally.fixed_size > 0.5 * TESTS


def test_harm_is_found_early() -> None:
    tally = simulate(Truth(rates=(0.9, 0.82)), TESTS, seed=15)
    assert tally.ever["harmful"] >= 0.9 * TESTS
    assert not tally.ever["winner"]


def test_wrong_sample_ratio_is_found_and_a_right_one_is_not() -> None:
    assert simulate_ratio(0.52, TESTS, seed=15, units=20_000) >= 0.97 * TESTS
    assert simulate_ratio(0.50, TESTS, seed=15) <= bound(0.01, TESTS)


def test_canary_that_fails_is_found_after_few_of_its_units() -> None:
    found = [units for units in simulate_canary((0.02, 0.3), TESTS, seed=15) if units is not None]
    assert len(found) == TESTS
    assert 15 <= sorted(found)[TESTS // 2] <= 30
    for share in (0.1, 0.5):
        good = simulate_canary((0.02, 0.02), TESTS, seed=15, share=share)
        assert sum(units is not None for units in good) <= bound(0.01, TESTS)
