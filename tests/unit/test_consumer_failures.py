"""A consumer that fails beside its lanes fails as a whole: it hands back what it holds, and the worker says why."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

import pytest

from prompt_worker.consuming.batch import Limits
from prompt_worker.consuming.breaker import Breaker
from prompt_worker.consuming.consumer import Consumer
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome
from prompt_worker.consuming.rejection import DeadLetterTopic
from prompt_worker.platform.process.signals import run_until_signal


class Quiet:
    """A source to which nothing comes."""

    closed = False

    def receive(self, timeout: float) -> list[Message]:
        threading.Event().wait(min(timeout, 0.01))
        return []

    def is_exhausted(self) -> bool:
        return False

    def acknowledge(self, messages: Sequence[Message]) -> None:
        pass

    def hand_back(self, messages: Sequence[Message]) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def handle(_: Sequence[Message]) -> list[Outcome]:
    return []


def test_consumer_that_cannot_wait_stops_in_order_and_keeps_the_error() -> None:
    source, stop = Quiet(), threading.Event()
    consumer = Consumer(
        source,
        handle,
        cast(DeadLetterTopic, None),
        limits=Limits(10, 10, 0.01),
        breaker=Breaker(window=10, ratio=1.0),
        lanes=2,
        # No lock of the system waits for so long.
        progress_seconds=float("inf"),
        stop=stop,
        cancel=lambda: None,
    )
    consumer.run()
    assert isinstance(consumer.failure, OverflowError)
    assert stop.is_set()
    assert source.closed


def test_error_of_what_runs_until_a_signal_is_raised() -> None:
    def run() -> None:
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        run_until_signal(run, threading.Event())
