"""Shapes of charts, as numbers that a template draws. Every chart has a sentence and a table beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

# Marks of intervals at most: of more looks some are left out, evenly, never the last.
MARKS = 60


class Bar(NamedTuple):
    """A rectangle; `kind` says what it counts, where that is not all."""

    x: float
    y: float
    width: float
    height: float
    kind: str = ""


def bars(
    totals: Sequence[int], failures: Sequence[int] = (), *, width: float = 160, height: float = 28
) -> list[Bar]:
    """A bar for each total from the left to the right, its failures at the foot. The least that is not 0 is seen."""
    most = max(totals, default=0)
    if not most:
        return []
    step = width / len(totals)

    def bar(at: int, value: int, kind: str = "") -> Bar:
        tall = max(1.0, value / most * height)
        return Bar(
            round(at * step, 2), round(height - tall, 2), round(max(step - 1, 0.5), 2), round(tall, 2), kind
        )

    found = [bar(at, value) for at, value in enumerate(totals) if value]
    return found + [bar(at, value, "failed") for at, value in enumerate(failures) if value]


class Mark(NamedTuple):
    """One interval: where it is from left to right, and its three values from top to bottom."""

    x: float
    low: float
    high: float
    middle: float


class Intervals(NamedTuple):
    """An interval over time. `zero` is where no difference is; `ticks` are values with their places."""

    marks: list[Mark]
    zero: float
    ticks: list[tuple[float, float]]
    width: float
    height: float


def intervals(
    points: Sequence[tuple[datetime, float, float, float]], *, width: float = 640, height: float = 220
) -> Intervals | None:
    """`points` are times with a difference and the ends of its interval, the oldest first. None without any.

    What the first looks knew nothing about would make all others a line: the last one decides the height.
    """
    if not points:
        return None
    number = min(MARKS, len(points))
    points = [points[-1 - at * len(points) // number] for at in range(number)][::-1]
    _, difference, low, high = points[-1]
    reach = 2.5 * max(abs(low), abs(high), abs(difference)) or 1.0
    first, last = points[0][0], points[-1][0]
    seconds = (last - first).total_seconds() or 1.0

    def down(value: float) -> float:
        kept = max(-reach, min(reach, value))
        return round((reach - kept) / (2 * reach) * height, 2)

    def across(at: datetime) -> float:
        part = (at - first).total_seconds() / seconds if len(points) > 1 else 0.5
        return round(8 + part * (width - 16), 2)

    marks = [Mark(across(at), down(low), down(high), down(middle)) for at, middle, low, high in points]
    ticks = [(value, down(value)) for value in (reach * 0.8, reach * 0.4, 0.0, -reach * 0.4, -reach * 0.8)]
    return Intervals(marks, down(0.0), ticks, width, height)
