"""How many units a test needs, before it starts."""

from __future__ import annotations

import math

from prompt_worker.experiments.statistics.normal import quantile

POWER = 0.8


def of_proportions(rate: float, difference: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Units in each of two arms that find `difference` from `rate`, both absolute, with that `power`.

    (z₁ √(2p(1−p)) + z₂ √(p(1−p) + q(1−q)))² / δ² where q = p + δ (Fleiss, Levin and Paik 2003, section 4.2).
    """
    other = min(1.0, max(0.0, rate + difference))
    under_none = math.sqrt(2 * rate * (1 - rate))
    under_some = math.sqrt(rate * (1 - rate) + other * (1 - other))
    needed = quantile(1 - alpha / 2) * under_none + quantile(power) * under_some
    return math.ceil((needed / difference) ** 2)


def of_means(variance: float, difference: float, alpha: float = 0.05, power: float = POWER) -> int:
    """Units in each of two arms for a value with that `variance` between units: 15.7·v/δ² at the defaults."""
    factor = 2 * (quantile(1 - alpha / 2) + quantile(power)) ** 2
    return math.ceil(factor * variance / difference**2)
