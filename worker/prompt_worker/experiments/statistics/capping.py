"""Sums of a unit that are capped, so that a single bill or a runaway loop does not decide an experiment."""

from __future__ import annotations

from collections.abc import Sequence

# One in so many of the units of all arms together, and at least one. Capping each arm at its own would hide what a
# variant does to the largest units.
PART = 1000


def cap_of(sums: Sequence[float]) -> float | None:
    """The largest of `sums` that is not among the largest thousandth, which is at least one. None of fewer than two.

    From 1,000 units on it is their 99.9 % quantile.
    """
    beyond = max(1, len(sums) // PART)
    return sorted(sums, reverse=True)[beyond] if len(sums) > beyond else None


def capped(n: float, s: float, most: float | None) -> tuple[float, float]:
    """N and S of a unit that weighs `most` at most; its ratio stays what it is."""
    return (n, s) if most is None or n <= most else (most, s * most / n)
