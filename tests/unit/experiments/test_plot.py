"""The plot of an experiment's intervals: one line for each look, the planned one marked, and which side is better."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prompt_worker.commands.experiments.plot import LINES, WIDTH, plot
from prompt_worker.experiments.judging.metrics import find_metric
from prompt_worker.experiments.listing import StoredLook

START = datetime(2026, 3, 2, tzinfo=UTC)


def look(number: int, interval: tuple[float, float, float], *, planned: bool = False) -> StoredLook:
    return StoredLook(
        number,
        START + timedelta(hours=number),
        1,
        planned,
        "collecting",
        "r",
        number,
        None,
        1.0,
        {"b": interval},
    )


def test_fewer_looks_than_lines_are_shown_once_each() -> None:
    lines = list(plot([look(n, (0.1, -0.1 / n, 0.2)) for n in range(1, 9)], "b"))
    assert len({line[:11] for line in lines[1:]}) == len(lines) - 1 == 8


def test_planned_look_is_shown_among_many_and_marked() -> None:
    looks = [look(n, (0.1, 0.0, 0.2), planned=n == 501) for n in range(1, 1_000)]
    lines = list(plot(looks, "b"))
    assert len(lines) == LINES + 1
    [marked] = [line for line in lines if "*" in line]
    assert "501*" in marked
    assert "999" in lines[-1]


def test_interval_beyond_the_plot_ends_with_arrows() -> None:
    lines = list(plot([look(1, (0.5, -9.0, 9.0)), look(2, (0.01, 0.005, 0.015))], "b"))
    assert "◀" + "━" * (WIDTH // 2 - 1) + "┿" in lines[1]
    assert "●" in lines[1]
    assert "◀" not in lines[2]
    assert "│" in lines[2]


def test_better_side_is_named_and_shares_are_in_points() -> None:
    points = [look(1, (-0.02, -0.05, 0.01))]
    header, line = plot(points, "b", find_metric("success_rate"))
    assert header.index("worse") < header.index("better")
    assert line.endswith("-2 (-5 … +1)")
    header, line = plot(points, "b", find_metric("cost_usd"))
    assert header.index("better") < header.index("worse")
    assert line.endswith("-0.02 (-0.05 … +0.01)")
    assert list(plot(points, "another")) == []
