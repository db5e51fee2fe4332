"""The confidence sequence: p-values and intervals that hold at every look, however many there are.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", arXiv 2103.06476: the mixture boundary of their theorem 2.2, with ρ² = K / N*.
"""

from __future__ import annotations

import math

from prompt_worker.experiments.statistics.difference import Difference


def tightness(units: float, best_at: float, alpha: float) -> float:
    """a = n·K / N*: where the sequence is after `units` (of both arms) when it is tightest at `best_at` units.

    K = −2 ln α + ln(−2 ln α + 1), their equation for the best ρ at level `alpha`.
    """
    log = -2 * math.log(alpha)
    return units * (log + math.log(log + 1)) / best_at


def p_value(difference: Difference, a: float) -> float:
    """min(1, √(1+a) · exp(−z²/2 · a/(1+a))): the smallest level at which the sequence excludes 0 now."""
    if a <= 0:
        return 1.0
    logarithm = math.log1p(a) / 2 - difference.z**2 / 2 * a / (1 + a)
    return min(1.0, math.exp(max(logarithm, -700.0)))


def deviations(a: float, alpha: float) -> float:
    """Standard deviations to both sides of the estimate at level `alpha`: √(2 (1+a)/a · ln(√(1+a)/α))."""
    if a <= 0:
        return math.inf
    return math.sqrt(2 * (1 + a) / a * (math.log1p(a) / 2 - math.log(alpha)))
