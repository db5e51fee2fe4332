"""Shapes of charts: what is drawn is what was counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prompt_worker.console.rendering.charts import MARKS, bars, intervals

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_bars_are_as_tall_as_what_they_count() -> None:
    drawn = bars([10, 0, 5, 1], [0, 0, 5, 0], width=40, height=20)
    assert [(each.x, each.height, each.kind) for each in drawn] == [
        (0, 20, ""),
        (20, 10, ""),
        (30, 2, ""),
        (20, 10, "failed"),
    ]
    assert all(each.y + each.height == 20 for each in drawn)
    assert bars([]) == bars([0, 0]) == []
    # One of a million is seen.
    assert bars([1_000_000, 1])[1].height == 1


def test_every_look_is_drawn_once_and_the_last_always() -> None:
    for number in (1, 2, 30, MARKS, MARKS + 1, 1000):
        points = [(START + timedelta(hours=at), 0.1, -0.1, 0.3) for at in range(number)]
        chart = intervals(points)
        assert chart is not None
        xs = [mark.x for mark in chart.marks]
        assert len(xs) == min(number, MARKS)
        assert xs == sorted(set(xs))
        if number > 1:
            assert xs[-1] == chart.width - 8


def test_interval_is_drawn_where_it_is() -> None:
    chart = intervals([(START, 0.0, -1.0, 1.0), (START + timedelta(days=1), 0.2, 0.1, 0.3)], height=200)
    assert chart is not None
    first, last = chart.marks
    # What was wider than the last look's reach is cut at the edge.
    assert (first.high, first.low, first.middle) == (0, 200, chart.zero)
    assert last.high < last.middle < last.low < chart.zero == 100
    assert intervals([]) is None
    assert intervals([(START, 0.0, 0.0, 0.0)]) is not None


@pytest.mark.parametrize("value", [0.25, -0.25])
def test_ticks_are_where_their_values_are(value: float) -> None:
    chart = intervals([(START, value, value - 0.01, value + 0.01)])
    assert chart is not None
    places = [place for _, place in sorted(chart.ticks, reverse=True)]
    assert places == sorted(places)
    assert dict(chart.ticks)[0.0] == chart.zero
