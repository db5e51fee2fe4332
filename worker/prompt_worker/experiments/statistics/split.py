"""How the error rate α is spent: a fifth on all early looks together, four fifths on one look at the planned size.

A sum of two levels is the level of both together (Bonferroni). The early fifth finds what is large, such as harm; the
planned four fifths keep nine tenths of the power of a test with one look.
"""

from __future__ import annotations

EARLY = 0.2
PLANNED = 0.8


def early_level(alpha: float) -> float:
    """α₁, of the confidence sequence."""
    return alpha * EARLY


def planned_level(alpha: float) -> float:
    """α₂, of the one look at the planned size."""
    return alpha * PLANNED


def combined(early: float, planned: float | None) -> float:
    """One p-value to compare with α: of the sequence, and of the planned look once that is done."""
    candidates = [early / EARLY] if planned is None else [early / EARLY, planned / PLANNED]
    return min(1.0, *candidates)
