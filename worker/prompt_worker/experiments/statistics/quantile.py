"""A quantile of calls, with the variance that comes from their units.

Deng, Knoblich and Lu, "Applying the delta method in metric analytics", KDD 2018, section 4: how many of its calls are
at or below the quantile is a ratio over units; the interval of that ratio gives two levels, and the quantiles at these
levels give the interval of the quantile. No density is estimated. An interval for independent calls is wrong in a
quarter of all tests of equal arms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from prompt_worker.experiments.statistics.difference import Estimate
from prompt_worker.experiments.statistics.moments import Moments
from prompt_worker.experiments.statistics.normal import quantile

# Of the interval from which the variance is read.
LEVEL = 0.05


def levels(probability: float, below: Moments) -> tuple[float, float] | None:
    """Where the quantiles are between which that of `probability` is; `below` counts calls at or below its estimate.

    None: too few units.
    """
    variance = below.variance
    if variance is None:
        return None
    radius = quantile(1 - LEVEL / 2) * math.sqrt(variance)
    return max(0.0, probability - radius), min(1.0, probability + radius)


def variance_between(low: float, high: float) -> float:
    """Of the quantile, from the quantiles at the two levels."""
    return ((high - low) / (2 * quantile(1 - LEVEL / 2))) ** 2


def of_calls(probability: float, units: Iterable[Sequence[float]]) -> Estimate | None:
    """The quantile of all calls and its variance, for the calls of each unit. None: too few units."""
    calls_of = [unit for unit in units if unit]
    ordered = sorted(value for unit in calls_of for value in unit)
    if not ordered:
        return None
    value = _at(ordered, probability)
    below = Moments.of((len(unit), sum(call <= value for call in unit)) for unit in calls_of)
    between = levels(probability, below)
    if between is None:
        return None
    return value, variance_between(*(_at(ordered, level) for level in between))


def _at(ordered: Sequence[float], probability: float) -> float:
    """As PostgreSQL's percentile_disc."""
    return ordered[min(len(ordered), max(1, math.ceil(probability * len(ordered)))) - 1]
