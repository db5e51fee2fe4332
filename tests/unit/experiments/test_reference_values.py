"""Values that others published for these formulas.

Where they used Student's or Welch's t, the normal form agrees within .004 in p and .0005 in the interval.
"""

from __future__ import annotations

import math

import pytest

from prompt_worker.experiments.statistics import capping, proportion, sample_ratio, sample_size, sequence
from prompt_worker.experiments.statistics.difference import absolute, relative
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.multiple import false_discovery_rate, holm
from tests.experiments_quality.fixed import chi_square, pooled_z
from tests.experiments_quality.spending import limits


def of_values(count: int, total: float, squares: float) -> Moments:
    return Moments(count, count, total, squares, total, count)


def of_successes(successes: int, count: int) -> Moments:
    return of_values(count, successes, successes)


BEFORE, AFTER = of_values(3407, 1396.87, 52377.9767), of_values(3461, 2422.7, 134698.29)


def test_absolute_difference_is_as_published() -> None:
    found = absolute(BEFORE, AFTER)
    assert found is not None
    assert found.p_value == pytest.approx(0.02016, abs=0.0005)
    assert found.interval(0.05) == pytest.approx((0.04538, 0.53462), abs=0.0005)


def test_relative_difference_is_as_published() -> None:
    found = relative(BEFORE, AFTER)
    assert found is not None
    assert found.p_value == pytest.approx(0.06191, abs=0.0005)
    assert found.interval(0.05) == pytest.approx((-0.03526, 1.44989), abs=0.0005)


def test_relative_difference_of_few_is_as_published() -> None:
    found = relative(of_successes(14, 28), of_successes(16, 30))
    assert found is not None
    assert found.p_value == pytest.approx(0.80707, abs=0.004)


def test_confidence_sequence_is_as_published() -> None:
    found = relative(of_successes(1396, 3000), of_successes(2422, 3461))
    assert found is not None
    assert found.estimate == pytest.approx(0.50386, abs=0.00001)
    a = sequence.tightness(3000 + 3461, 5000, 0.05)
    interval = found.around(sequence.deviations(a, 0.05))
    assert interval == pytest.approx((0.40098, 0.60675), abs=0.0005)
    assert sequence.p_value(found, a) < 1e-40


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.002])
@pytest.mark.parametrize("a", [0.01, 0.5, 3.0, 40.0])
def test_interval_of_the_sequence_ends_where_its_p_value_is_alpha(a: float, alpha: float) -> None:
    from prompt_worker.experiments.statistics.difference import Difference

    edge = Difference(sequence.deviations(a, alpha), 1.0)
    assert sequence.p_value(edge, a) == pytest.approx(alpha)


def test_pooled_z_is_as_published() -> None:
    assert pooled_z((12, 99), (5, 83)) == pytest.approx((-1.40783, 0.159181), abs=1e-5)


def test_newcombe_interval_is_as_published() -> None:
    assert proportion.newcombe((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_wilson_interval_is_as_published() -> None:
    assert proportion.wilson(17, 20) == pytest.approx((0.640, 0.948), abs=5e-4)


@pytest.mark.parametrize(("counts", "expected"), [((821_588, 815_482), 1.8e-6), ((44_000, 45_000), 0.0008)])
def test_chi_square_of_sample_ratio_is_as_published(counts: tuple[int, int], expected: float) -> None:
    assert chi_square(counts, (1, 1)) == pytest.approx(expected, rel=0.02)


def test_bayes_factor_of_sample_ratio_is_as_published() -> None:
    # Ten draws of numpy's first generator with seed 0 and the chances .1 .49 .41, one at a time.
    counts = [2, 1, 7]
    found = sample_ratio.bayes_factor(counts, [0.1, 0.5, 0.4], concentration=10_000)
    assert found == pytest.approx(1.0017496120131435, abs=1e-9)


def test_false_discovery_rate_is_as_published() -> None:
    found = false_discovery_rate([0.118, 0.0211, 0.0213, 0.00218])
    assert found == pytest.approx([0.118, 0.0284, 0.0284, 0.00872])


def test_holm_is_as_published() -> None:
    # Of the example in Holm (1979) as R's p.adjust computes it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_sample_size_is_as_published() -> None:
    assert sample_size.of_proportions(0.2, 0.05) == pytest.approx(1030, abs=1)


def test_sample_size_of_means_has_the_known_factor() -> None:
    assert sample_size.of_means(1.0, 0.01) == pytest.approx(157_000, rel=0.001)


def test_limits_of_planned_looks_are_as_published() -> None:
    looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    found = limits(looks, [0.05 * look**2 for look in looks])
    assert found == pytest.approx([3.0902, 2.7141, 2.4727, 2.2798, 2.1140], abs=2e-4)


@pytest.mark.parametrize(
    "arm",
    [
        Moments(),
        of_successes(1, 1),
        of_successes(50, 50),
        of_successes(0, 50),
        Moments.of([(0, 0), (0, 0)]),
        # One sum for every unit, which floating point squares inexactly.
        Moments.of([(1, 0.1)] * 1000),
    ],
    ids=["no unit", "one unit", "all successes", "no success", "no calls", "equal sums"],
)
def test_too_few_units_are_none_and_never_nan(arm: Moments) -> None:
    assert absolute(arm, arm) is None
    assert relative(arm, arm) is None
    for number in (arm.ratio, arm.spread, arm.variance):
        assert number is None or math.isfinite(number)


def test_cap_is_the_largest_that_is_not_of_the_largest_thousandth() -> None:
    assert capping.cap_of(range(1, 101)) == 99
    assert capping.cap_of(range(1, 10_001)) == 9_990
    assert capping.cap_of([5.0]) is None
    assert capping.capped(5_000, 4_000, 20) == (20, 16)
    assert capping.capped(5, 4, 20) == (5, 4)
