"""The normal distribution: p-values and quantiles."""

from __future__ import annotations

import math
from statistics import NormalDist

_STANDARD = NormalDist()


def two_sided(z: float) -> float:
    """The probability of a value at least as far from 0 as `z`."""
    return math.erfc(abs(z) / math.sqrt(2))


def quantile(probability: float) -> float:
    """The value below which a standard normal variable is with that `probability`, between 0 and 1."""
    return _STANDARD.inv_cdf(probability)
