"""Limits of |z| for a few looks that are planned: what the split of `split.py` is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prompt_worker.experiments.statistics.normal import two_sided

# Points of the grid on which the density of the paths that are left is kept, from the limit to its negative.
_POINTS = 1001


def limits(information: Sequence[float], spent: Sequence[float]) -> list[float]:
    """The limit of |z| at each look, so that by then a part `spent` of equal tests was beyond one of them, two-sided.

    `information`: the part of the units at each look, ascending to 1. Armitage, McPherson and Rowe (1969), with the
    error spent as Lan and DeMets (1983) do.
    """
    found: list[float] = []
    grid: list[float] = []
    density: list[float] = []
    before = 0.0
    for now, alpha in zip(information, spent, strict=True):
        step = math.sqrt(now - before)
        missing = alpha - (spent[len(found) - 1] if found else 0.0)
        low, high = 0.0, 10.0
        while high - low > 1e-9:
            middle = (low + high) / 2
            beyond = _beyond(middle * math.sqrt(now), grid, density, step)
            low, high = (middle, high) if beyond > missing else (low, middle)
        found.append((low + high) / 2)
        grid, density = _left(found[-1] * math.sqrt(now), grid, density, step)
        before = now
    return found


def _beyond(limit: float, grid: Sequence[float], density: Sequence[float], step: float) -> float:
    """The probability of being beyond ±`limit` after one more step, for paths that were within so far."""
    if not grid:
        return two_sided(limit / step)
    scale = step * math.sqrt(2)
    tails = [
        d * (math.erfc((limit - x) / scale) + math.erfc((limit + x) / scale)) / 2
        for x, d in zip(grid, density, strict=True)
    ]
    return _integral(tails, grid[1] - grid[0])


def _left(
    limit: float, grid: Sequence[float], density: Sequence[float], step: float
) -> tuple[list[float], list[float]]:
    """The density of the paths that are within ±`limit` after one more step."""
    points = [limit * (2 * i / (_POINTS - 1) - 1) for i in range(_POINTS)]
    factor = 1 / (step * math.sqrt(2 * math.pi))
    if not grid:
        return points, [factor * math.exp(-((y / step) ** 2) / 2) for y in points]
    width = grid[1] - grid[0]
    # Symmetric, so that half of it is computed.
    half = [
        _integral(
            [d * factor * math.exp(-(((y - x) / step) ** 2) / 2) for x, d in zip(grid, density, strict=True)],
            width,
        )
        for y in points[: _POINTS // 2 + 1]
    ]
    return points, half + half[-2::-1]


def _integral(values: Sequence[float], width: float) -> float:
    """By Simpson's rule."""
    return width / 3 * (values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2]))
