"""The difference between two arms: its estimate, its variance, and an interval of a given width."""

from __future__ import annotations

import math

import msgspec

from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile, two_sided


class Difference(msgspec.Struct, frozen=True):
    """Treatment less control: `estimate`, with a `variance` above 0."""

    estimate: float
    variance: float

    @property
    def z(self) -> float:
        return self.estimate / math.sqrt(self.variance)

    @property
    def p_value(self) -> float:
        """Two-sided, for one look that was planned before."""
        return two_sided(self.z)

    def interval(self, alpha: float) -> tuple[float, float]:
        """The two-sided interval that belongs to `p_value` at level `alpha`."""
        return self.around(quantile(1 - alpha / 2))

    def around(self, deviations: float) -> tuple[float, float]:
        """`deviations` standard deviations to both sides."""
        radius = deviations * math.sqrt(self.variance)
        return self.estimate - radius, self.estimate + radius


# A value and the variance of its estimate.
Estimate = tuple[float, float]


def absolute(control: Moments, treatment: Moments) -> Difference | None:
    """Between two ratios, in their unit. None: too few units, or no spread in either arm."""
    first, second = _estimate(control), _estimate(treatment)
    return None if first is None or second is None else between(first, second)


def relative(control: Moments, treatment: Moments) -> Difference | None:
    """Between two ratios as a part of the control's. None also where the control's is 0."""
    first, second = _estimate(control), _estimate(treatment)
    return None if first is None or second is None else relatively_between(first, second)


def between(control: Estimate, treatment: Estimate) -> Difference | None:
    """None where neither varies."""
    variance = control[1] + treatment[1]
    return Difference(treatment[0] - control[0], variance) if variance > 0 else None


def relatively_between(control: Estimate, treatment: Estimate) -> Difference | None:
    """As a part of the control's value, by the delta method. None where that is 0, or neither varies."""
    (before, spread_before), (after, spread_after) = control, treatment
    if not before:
        return None
    variance = spread_after / before**2 + spread_before * after**2 / before**4
    return Difference((after - before) / abs(before), variance) if variance > 0 else None


def _estimate(arm: Moments) -> Estimate | None:
    ratio, variance = arm.ratio, arm.variance
    return None if ratio is None or variance is None else (ratio, variance)
