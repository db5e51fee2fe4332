"""Sums of a unit that are capped, so that a single bill or a runaway loop does not decide an experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Of the units of all arms together: capping each arm at its own would hide what a variant does to the largest ones.
LEVEL = 0.999


def cap_of(sums: Sequence[float], level: float = LEVEL) -> float | None:
    """The least of `sums` that at least a part `level` of them do not exceed, as PostgreSQL's percentile_disc."""
    if not sums:
        return None
    ordered = sorted(sums)
    return ordered[max(0, math.ceil(level * len(ordered)) - 1)]
