"""Tests with one look at a fixed size, as they are usually published: what ours are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prompt_worker.experiments.statistics.normal import two_sided


def pooled_z(control: tuple[int, int], treatment: tuple[int, int]) -> tuple[float, float]:
    """z and the two-sided p-value of two proportions, each (successes, of), with one variance for both.

    0 and 1 where there is no variance.
    """
    (before, of_before), (after, of_after) = control, treatment
    if not of_before or not of_after or before + after in (0, of_before + of_after):
        return 0.0, 1.0
    pooled = (before + after) / (of_before + of_after)
    z = (after / of_after - before / of_before) / math.sqrt(
        pooled * (1 - pooled) * (1 / of_before + 1 / of_after)
    )
    return z, two_sided(z)


def chi_square(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The p-value of Pearson's test that `counts` have these `shares`."""
    whole, units = sum(shares), sum(counts)
    expected = [units * share / whole for share in shares]
    return above(
        sum((count - e) ** 2 / e for count, e in zip(counts, expected, strict=True)), len(counts) - 1
    )


def above(statistic: float, freedom: int) -> float:
    """The upper tail of χ², in closed form as `freedom` is a whole number (Abramowitz and Stegun 26.4.4, 26.4.5)."""
    half = statistic / 2
    if freedom % 2:
        tail, term, start = (
            math.erfc(math.sqrt(half)),
            2 * math.sqrt(half / math.pi) * math.exp(-half),
            3,
        )
    else:
        tail, term, start = math.exp(-half), half * math.exp(-half), 4
    for step in range(start, freedom + 1, 2):
        tail += term
        term *= statistic / step
    return tail
