"""Whether the arms have the units that the allocation gives them: if not, no metric of theirs can be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Of the prior around the expected shares: a mismatch of a few points is found, and chance is not.
CONCENTRATION = 1000.0


def bayes_factor(
    counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION
) -> float:
    """Of a mismatch against none, for the units of each arm and the shares that they should have.

    Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022: 1 over it is a p-value that
    holds at every look.
    """
    return math.exp(min(_log_bayes_factor(counts, shares, concentration), 700.0))


def p_value(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """Of these counts alone; the smallest of all looks until now is a p-value too."""
    return min(1.0, math.exp(max(-_log_bayes_factor(counts, shares, concentration), -700.0)))


def _log_bayes_factor(counts: Sequence[int], shares: Sequence[float], concentration: float) -> float:
    whole = sum(shares)
    expected = [share / whole for share in shares]
    units = sum(counts)
    found = math.lgamma(concentration) - math.lgamma(concentration + units)
    for count, share in zip(counts, expected, strict=True):
        if share <= 0:
            if count:
                return math.inf
            continue
        prior = concentration * share
        found += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return found
