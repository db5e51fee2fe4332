"""Intervals over looks as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_worker.experiments.judging.metrics import Metric
from prompt_worker.experiments.listing import StoredLook

# Lines at most: of more looks some are left out, evenly, never the last.
LINES = 20
WIDTH = 41
_MIDDLE = WIDTH // 2


def plot(looks: Sequence[StoredLook], arm: str, metric: Metric | None = None) -> Iterator[str]:
    """A line for each look that has an interval: `●` is the difference, `━` its interval, `│` no difference.

    An interval that goes on beyond the plot ends with an arrow; `*` is the look at the planned size.
    """
    points = _chosen([(each, each.intervals[arm]) for each in looks if arm in each.intervals])
    if not points:
        return
    # What the first looks knew nothing about would make all others a point: the last decides the width.
    last = points[-1][1]
    reach = 3 * max(abs(last[1]), abs(last[2]), abs(last[0])) or 1.0
    low, high = _sides(reach, metric)
    yield f"{'units':>19}  {low:<{_MIDDLE}}0{high:>{_MIDDLE}}"
    for look, point in points:
        mark = "*" if look.planned else " "
        line = _line(*point, reach).ljust(WIDTH)
        yield f"{look.looked_at:%m-%d %H:%M} {look.units:>7}{mark} {line}  {_numbers(point, metric)}"


def _chosen(
    points: list[tuple[StoredLook, tuple[float, float, float]]],
) -> list[tuple[StoredLook, tuple[float, float, float]]]:
    if len(points) <= LINES:
        return points
    planned = [number for number, (look, _) in enumerate(points) if look.planned]
    chosen = {len(points) - 1 - i * len(points) // LINES for i in range(LINES)}
    for number in planned:
        # In the place of its neighbour.
        if number not in chosen:
            chosen.remove(min(chosen - {len(points) - 1}, key=lambda other: abs(other - number)))
            chosen.add(number)
    return [points[number] for number in sorted(chosen)]


def _sides(reach: float, metric: Metric | None) -> tuple[str, str]:
    low, high = _number(-reach, metric), _number(reach, metric)
    if metric is None:
        return low, high
    names = ("worse", "better") if metric.good > 0 else ("better", "worse")
    return f"{low} {names[0]}", f"{names[1]} {high}"


def _numbers(point: tuple[float, float, float], metric: Metric | None) -> str:
    difference, low, high = (_number(value, metric) for value in point)
    return f"{difference} ({low} … {high})"


def _number(value: float, metric: Metric | None) -> str:
    return f"{100 * value:+.3g}" if metric is not None and metric.in_percent else f"{value:+.3g}"


def _line(difference: float, low: float, high: float, reach: float) -> str:
    cells = [" "] * WIDTH
    start, end = _column(low, reach), _column(high, reach)
    cells[start : end + 1] = "━" * (end + 1 - start)
    if low < -reach:
        cells[0] = "◀"
    if high > reach:
        cells[-1] = "▶"
    cells[_MIDDLE] = "┿" if start <= _MIDDLE <= end else "│"
    cells[_column(difference, reach)] = "●"
    return "".join(cells)


def _column(value: float, reach: float) -> int:
    part = (max(-reach, min(reach, value)) + reach) / (2 * reach)
    return round(part * (WIDTH - 1))
