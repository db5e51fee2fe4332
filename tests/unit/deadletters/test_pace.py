"""A replay's pace: a rate that is kept, and slower while what was sent grows old."""

from __future__ import annotations

import math

from prompt_worker.deadletters.replay.pace import SLOWEST, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def sent_within(pace: Pace, clock: Clock, seconds: float) -> int:
    """How many a sender sends that always sends as much as there is room for."""
    end, number = clock.now + seconds, 0
    while clock.now + pace.wait() < end:
        clock.now += pace.wait()
        room = pace.room(500)
        pace.sent(room)
        number += room
    return number


def test_pace_without_a_rate_never_waits() -> None:
    pace = Pace(None, 30, Clock())
    pace.sent(10_000)
    assert (pace.wait(), pace.room(500), pace.limit) == (0, 500, math.inf)


def test_pace_keeps_a_rate_in_small_batches() -> None:
    clock = Clock()
    pace = Pace(100, 30, clock)
    assert pace.room(500) == 50
    assert 1000 <= sent_within(pace, clock, 10) <= 1050


def test_pace_below_one_a_second_sends_one_at_a_time() -> None:
    clock = Clock()
    pace = Pace(0.5, 30, clock)
    assert pace.room(500) == 1
    assert 5 <= sent_within(pace, clock, 10) <= 6


def test_pace_does_not_make_up_for_idle_time() -> None:
    clock = Clock()
    pace = Pace(100, 30, clock)
    clock.now += 60
    assert sent_within(pace, clock, 1) <= 200


def test_pace_checks_once_a_second() -> None:
    clock = Clock()
    pace = Pace(None, 30, clock)
    assert not pace.due()
    clock.now += 1.1
    assert (pace.due(), pace.due()) == (True, False)


def test_pace_halves_while_events_are_old_and_recovers() -> None:
    clock = Clock()
    pace = Pace(400, 30, clock)
    pace.adapt(29)
    assert not pace.slowed
    pace.sent(4000)
    clock.now += 10
    limits = []
    for _ in range(12):
        pace.adapt(31)
        limits.append(pace.limit)
    assert limits[:2] == [200, 100]
    assert limits[-1] == SLOWEST
    pace.adapt(20)  # neither old nor young
    assert pace.limit == SLOWEST
    for _ in range(10):
        pace.adapt(1)
    assert (pace.limit, pace.slowed) == (400, False)


def test_pace_without_a_rate_slows_to_half_its_speed() -> None:
    clock = Clock()
    pace = Pace(None, 30, clock)
    pace.sent(10_000)
    clock.now += 10
    pace.adapt(31)
    assert pace.limit == 500
    for _ in range(10):
        pace.adapt(0)
    assert pace.limit == math.inf
