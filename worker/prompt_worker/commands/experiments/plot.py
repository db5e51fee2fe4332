"""Intervals over looks as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_worker.experiments.listing import StoredLook

# Lines at most: of more looks some are left out, evenly, never the last.
LINES = 20
WIDTH = 61


def plot(looks: Sequence[StoredLook], arm: str) -> Iterator[str]:
    """A line for each look that has an interval: `●` is the difference, `━` its interval, `│` no difference."""
    points = [(each, each.intervals[arm]) for each in looks if arm in each.intervals]
    if not points:
        return
    points = [points[-1 - i * len(points) // LINES] for i in range(min(LINES, len(points)))][::-1]
    # What the first looks knew nothing about would make all others a point: the last decides the width.
    last = points[-1][1]
    reach = 3 * max(abs(last[1]), abs(last[2]), abs(last[0])) or 1.0
    yield f"{'':16} {-reach:<{WIDTH // 2}.4g}0{reach:>{WIDTH // 2}.4g}"
    for look, (difference, low, high) in points:
        yield f"{look.looked_at:%m-%d %H:%M} {look.units:>5}".ljust(17) + _line(difference, low, high, reach)


def _line(difference: float, low: float, high: float, reach: float) -> str:
    cells = [" "] * WIDTH
    start, end = _column(low, reach), _column(high, reach)
    cells[start : end + 1] = "━" * (end + 1 - start)
    cells[WIDTH // 2] = "┿" if start <= WIDTH // 2 <= end else "│"
    cells[_column(difference, reach)] = "●"
    return "".join(cells).rstrip()


def _column(value: float, reach: float) -> int:
    part = (max(-reach, min(reach, value)) + reach) / (2 * reach)
    return round(part * (WIDTH - 1))
