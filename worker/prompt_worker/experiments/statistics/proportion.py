"""Intervals of proportions as they are shown, where each observation is independent: of units, never of calls."""

from __future__ import annotations

import math

from prompt_worker.experiments.statistics.normal import quantile


def wilson(successes: int, of: int, alpha: float = 0.05) -> tuple[float, float]:
    """The score interval of Wilson (1927); of nothing it is 0 to 1."""
    if not of:
        return 0.0, 1.0
    z = quantile(1 - alpha / 2)
    share = successes / of
    middle = share + z * z / (2 * of)
    radius = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    whole = 1 + z * z / of
    return max(0.0, (middle - radius) / whole), min(1.0, (middle + radius) / whole)


def newcombe(
    control: tuple[int, int], treatment: tuple[int, int], alpha: float = 0.05
) -> tuple[float, float]:
    """Of treatment less control, each as (successes, of): method 10 of Newcombe (1998), from two score intervals."""
    (before, of_before), (after, of_after) = control, treatment
    low_before, high_before = wilson(before, of_before, alpha)
    low_after, high_after = wilson(after, of_after, alpha)
    p_before = before / of_before if of_before else 0.5
    p_after = after / of_after if of_after else 0.5
    difference = p_after - p_before
    return (
        difference - math.hypot(p_after - low_after, high_before - p_before),
        difference + math.hypot(high_after - p_after, p_before - low_before),
    )
