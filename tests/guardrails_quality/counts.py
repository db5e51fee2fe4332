"""Counts of right and wrong findings, and the measures made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """True and false positives and negatives: spans for personal data, otherwise texts.

    `innocent` are the texts in which nothing should be found, `flagged` those in which something was.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    innocent: int = 0
    flagged: int = 0

    @property
    def precision(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> float | None:
        return _ratio(self.flagged, self.innocent)

    def f_measure(self, beta: float) -> float | None:
        """F1 with `beta` 1; with 2 it is F2, for which a miss is worse than a false alarm (van Rijsbergen, 1979)."""
        right = (1 + beta**2) * self.true_positives
        return _ratio(right, right + beta**2 * self.false_negatives + self.false_positives)

    def add(self, other: Counts) -> None:
        self.true_positives += other.true_positives
        self.false_positives += other.false_positives
        self.false_negatives += other.false_negatives
        self.innocent += other.innocent
        self.flagged += other.flagged


def total(counts: Iterable[Counts]) -> Counts:
    """The sum, every finding counting the same."""
    summed = Counts()
    for one in counts:
        summed.add(one)
    return summed


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
