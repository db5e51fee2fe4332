"""What is kept of an arm: six sums over its units, from which come a ratio and the variance of that ratio.

A unit is a user or a session, never a call. Calls of one unit resemble each other: a formula that takes them for
independent finds differences between equal arms in a quarter to two thirds of all tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

# Of sums of squares: what rounding leaves where the variance is 0.
_ROUNDING = 1e-12


class Moments(msgspec.Struct, frozen=True):
    """Sums over the units of an arm, where `weight` is a unit's N (its calls) and `total` its S (its successes, say).

    `units`: how many; then ΣN, ΣS, ΣS², ΣSN and ΣN². Of a mean over units each N is 1.
    """

    units: int = 0
    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    cross: float = 0.0
    weight_squares: float = 0.0

    @classmethod
    def of(cls, units: Iterable[tuple[float, float]]) -> Self:
        """Of units given as (N, S)."""
        count, weight, total, squares, cross, weight_squares = 0, 0.0, 0.0, 0.0, 0.0, 0.0
        for n, s in units:
            count += 1
            weight += n
            total += s
            squares += s * s
            cross += s * n
            weight_squares += n * n
        return cls(count, weight, total, squares, cross, weight_squares)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.units + other.units,
            self.weight + other.weight,
            self.total + other.total,
            self.squares + other.squares,
            self.cross + other.cross,
            self.weight_squares + other.weight_squares,
        )

    @property
    def ratio(self) -> float | None:
        """ΣS / ΣN; None without a unit that has weight."""
        return self.total / self.weight if self.units and self.weight > 0 else None

    @property
    def effective_units(self) -> float:
        """(ΣN)² / ΣN²: as many units of equal weight would be as uneven; 1 where one unit has nearly all calls."""
        return self.weight**2 / self.weight_squares if self.weight_squares > 0 else 0.0

    @property
    def spread(self) -> float | None:
        """(ΣS² − 2RΣSN + R²ΣN²) / (n − 1): the variance of S − R·N between units. None of fewer than two units."""
        ratio = self.ratio
        if ratio is None or self.units < 2:
            return None
        square = ratio * ratio * self.weight_squares
        residual = self.squares - 2 * ratio * self.cross + square
        return residual / (self.units - 1) if residual > _ROUNDING * (self.squares + square) else 0.0

    @property
    def variance(self) -> float | None:
        """Of the ratio, by the delta method: Deng, Knoblich and Lu, arXiv 1803.06336. None of fewer than two units."""
        spread = self.spread
        return None if spread is None else spread * self.units / self.weight**2
