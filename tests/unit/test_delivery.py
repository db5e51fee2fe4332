"""Sending with a connection that fails on demand: what is isolated, when the next attempt is due, what is logged."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from msgspec import Raw

from prompt_worker.publishing import delivery as delivery_module
from prompt_worker.publishing.delivery import Delivery
from prompt_worker.publishing.encoding.message import Message
from prompt_worker.publishing.errors import UnavailableError, UnpublishableError
from tests.support.timing import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(delivery_module, "time", stopped)
    return stopped


class FakeConnection:
    """Accepts messages, except those named `bad`; raises `failure` while it is set."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.timeouts: list[float] = []
        self.made = self.closed = 0

    def connect(self) -> FakeConnection:
        self.made += 1
        return self

    def publish(self, messages: Sequence[Message], timeout: float) -> list[str]:
        self.timeouts.append(timeout)
        if self.failure:
            raise self.failure
        if any(message.attributes["name"] == "bad" for message in messages):
            raise UnpublishableError("refused")
        return [message.attributes["name"] for message in messages]

    def close(self) -> None:
        self.closed += 1


def named(*names: str) -> list[Message]:
    return [Message({"name": name}, Raw(b"{}")) for name in names]


def test_unpublishable_messages_do_not_fail_their_neighbours() -> None:
    results = Delivery(FakeConnection().connect, 10).send(named("a", "bad", "b", "c", "bad"))
    assert [str(result) for result in results] == ["a", "refused", "b", "c", "refused"]
    assert [isinstance(result, UnpublishableError) for result in results] == [False, True, False, False, True]


def bad(count: int) -> list[Message]:
    return named(*["bad"] * count)


def test_topic_that_refuses_every_message_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    delivery = Delivery(FakeConnection().connect, 10)
    for count in (2, 1, 7):
        delivery.try_now(float("inf"))
        with pytest.raises(UnavailableError, match="check its name and its schema"):
            delivery.send(bad(count))
    assert caplog.text.count("the topic refuses every message") == 1


def test_refused_message_is_at_fault_beside_an_accepted_one() -> None:
    delivery = Delivery(FakeConnection().connect, 10)
    with pytest.raises(UnavailableError):
        delivery.send(bad(2))
    delivery.try_now(float("inf"))
    results = delivery.send([*bad(2), *named("a")])
    assert [str(result) for result in results] == ["refused", "refused", "a"]


def test_single_refused_message_after_an_accepted_is_at_fault() -> None:
    delivery = Delivery(FakeConnection().connect, 10)
    delivery.send(named("a"))
    assert [str(result) for result in delivery.send(bad(1))] == ["refused"]
    with pytest.raises(UnavailableError):
        delivery.send(bad(1))
    delivery.try_now(float("inf"))
    delivery.send(named("a"))
    assert [str(result) for result in delivery.send(bad(1))] == ["refused"]


@pytest.mark.usefixtures("clock")
def test_failed_delivery_reconnects_after_a_pause() -> None:
    connection = FakeConnection()
    delivery = Delivery(connection.connect, 10)
    assert delivery.send(named("a")) == ["a"]
    connection.failure = UnavailableError("no permission")
    with pytest.raises(UnavailableError, match="no permission"):
        delivery.send(named("b"))
    assert 0.375 <= delivery.unavailable_for() <= 0.625
    with pytest.raises(UnavailableError, match="no permission"):
        delivery.send(named("b"))
    assert len(connection.timeouts) == 2, "asked while it pauses"
    connection.failure = None
    delivery.try_now(float("inf"))
    assert delivery.send(named("b")) == ["b"]
    assert (connection.made, connection.closed) == (2, 1)


@pytest.mark.usefixtures("clock")
def test_pauses_double_up_to_half_a_minute() -> None:
    delivery = Delivery(FakeConnection().connect, 10)
    pauses = []
    for _ in range(12):
        delivery.back_off()
        pauses.append(delivery.unavailable_for())
    assert all(
        0.75 * expected <= pause <= 1.25 * expected
        for pause, expected in zip(pauses, [0.5, 1, 2, 4, 8, 16, *[30] * 6], strict=True)
    )


def test_one_outage_is_logged_once_with_its_advice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    connection = FakeConnection()
    delivery = Delivery(connection.connect, 10)
    for failure in (UnavailableError("do this"), UnavailableError("do this"), ValueError("a prompt's text")):
        delivery.try_now(float("inf"))
        connection.failure = failure
        with pytest.raises(UnavailableError):
            delivery.send(named("a"))
    assert [record.getMessage() for record in caplog.records] == [
        "Pub/Sub is unavailable, events are queued: do this",
        "Pub/Sub is unavailable, events are queued: ValueError",
    ]


def test_no_request_outlasts_the_deadline(clock: Clock) -> None:
    connection = FakeConnection()
    delivery = Delivery(connection.connect, 10)
    delivery.send(named("a"))
    delivery.try_now(clock.monotonic() + 2)
    delivery.send(named("a"))
    delivery.try_now(clock.monotonic() - 5)
    delivery.send(named("a"))
    whole, left, shortest = connection.timeouts
    assert (whole, shortest) == (10, 0.1)
    assert left == 2
