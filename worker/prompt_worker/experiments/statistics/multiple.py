"""Several p-values at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted, in the given order, so that all of them together are wrong with α at most (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, index in enumerate(_ascending(p_values)):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = reached
    return adjusted


def false_discovery_rate(p_values: Sequence[float]) -> list[float]:
    """Adjusted, in the given order, so that a part α of what is found is wrong (Benjamini and Hochberg 1995)."""
    adjusted = [1.0] * len(p_values)
    reached = 1.0
    for rank, index in reversed(list(enumerate(_ascending(p_values), 1))):
        reached = min(reached, len(p_values) / rank * p_values[index])
        adjusted[index] = reached
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=p_values.__getitem__)
