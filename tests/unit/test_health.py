"""The silence of a process is that of the thread in flight that moved the longest ago."""

from __future__ import annotations

import threading

import pytest

from prompt_worker.platform.process import health
from tests.support.registry import soon
from tests.support.timing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(health, "time", stopped)
    return stopped


def test_silence_is_zero_with_nothing_in_flight() -> None:
    # Called by a thread without work.
    health.moved()
    assert health.silence() == 0.0


def test_silence_grows_until_the_work_moves_and_ends_with_it(clock: Clock) -> None:
    with health.in_flight():
        clock.passes(5)
        assert health.silence() == 5
        health.moved()
        assert health.silence() == 0
        clock.passes(1)
        assert health.silence() == 1
    assert health.silence() == 0.0


def test_failed_work_is_no_longer_in_flight(clock: Clock) -> None:
    with pytest.raises(ValueError, match="failed"), health.in_flight():
        raise ValueError("failed")
    clock.passes(1)
    assert health.silence() == 0.0


def test_thread_that_waits_for_its_turn_is_not_silent(clock: Clock) -> None:
    """Who holds the lock is: while that one retries, a restart would help neither."""
    lock = threading.Lock()
    found: list[float] = []

    def wait() -> None:
        with health.in_flight(), health.taking_turns(lock):
            found.append(health.silence())
            clock.passes(5)
            found.append(health.silence())

    thread = threading.Thread(target=wait)
    with health.in_flight(), health.taking_turns(lock):
        thread.start()
        # Until it waits, and only this one is expected to move.
        soon(lambda: thread.ident not in health._moved and thread.is_alive())
        for _ in range(3):
            clock.passes(5)
            health.moved()
            assert health.silence() == 0
        clock.passes(5)
        assert health.silence() == 5
    thread.join()
    assert found == [0, 5]
    assert health.silence() == 0.0


def test_moving_thread_does_not_hide_a_silent_one(clock: Clock) -> None:
    started, end = threading.Event(), threading.Event()

    def stick() -> None:
        with health.in_flight():
            started.set()
            end.wait(60)

    stuck = threading.Thread(target=stick)
    stuck.start()
    started.wait(60)
    with health.in_flight():
        clock.passes(5)
        health.moved()
        assert health.silence() == 5
    end.set()
    stuck.join()
    assert health.silence() == 0.0
