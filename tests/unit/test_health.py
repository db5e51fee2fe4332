"""The silence of a process is that of the thread in flight that moved the longest ago."""

from __future__ import annotations

import threading
import time

import pytest

from prompt_worker.platform.process import health


def test_silence_is_zero_with_nothing_in_flight() -> None:
    # Called by a thread without work.
    health.moved()
    assert health.silence() == 0.0


def test_silence_grows_until_the_work_moves_and_ends_with_it() -> None:
    with health.in_flight():
        time.sleep(0.05)
        assert health.silence() >= 0.05
        health.moved()
        assert health.silence() < 0.05
    assert health.silence() == 0.0


def test_failed_work_is_no_longer_in_flight() -> None:
    with pytest.raises(ValueError, match="failed"), health.in_flight():
        raise ValueError("failed")
    assert health.silence() == 0.0


def test_thread_that_waits_for_its_turn_is_not_silent() -> None:
    """Who holds the lock is: while that one retries, a restart would help neither."""
    lock = threading.Lock()
    waiting = threading.Event()

    def wait() -> None:
        with health.in_flight():
            waiting.set()
            with health.taking_turns(lock):
                time.sleep(0.05)
                assert health.silence() >= 0.05

    thread = threading.Thread(target=wait)
    with health.in_flight(), health.taking_turns(lock):
        thread.start()
        waiting.wait(10)
        for _ in range(3):
            time.sleep(0.05)
            health.moved()
            assert health.silence() < 0.05
        time.sleep(0.05)
        assert health.silence() >= 0.05
    thread.join()
    assert health.silence() == 0.0


def test_moving_thread_does_not_hide_a_silent_one() -> None:
    started, end = threading.Event(), threading.Event()

    def stick() -> None:
        with health.in_flight():
            started.set()
            end.wait(10)

    stuck = threading.Thread(target=stick)
    stuck.start()
    started.wait(10)
    with health.in_flight():
        time.sleep(0.05)
        health.moved()
        assert health.silence() >= 0.05
    end.set()
    stuck.join()
    assert health.silence() == 0.0
