"""A batch is full by messages, by bytes or by age, and its clock starts at its first message."""

from __future__ import annotations

from prompt_worker.consuming.batch import Batch, Limits
from prompt_worker.consuming.message import Message

LIMITS = Limits(messages=3, bytes=100, seconds=0.5)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def messages(count: int, size: int = 1) -> list[Message]:
    return [Message(b"x" * size, {}, f"ack-{n}") for n in range(count)]


def test_batch_is_full_at_its_number_of_messages() -> None:
    batch = Batch(LIMITS, Clock())
    batch.extend(messages(2))
    assert batch.ready() is None
    batch.extend(messages(1))
    assert batch.ready() == "messages"


def test_batch_is_full_at_its_size() -> None:
    batch = Batch(LIMITS, Clock())
    batch.extend(messages(1, size=99))
    assert batch.ready() is None
    batch.extend(messages(1, size=1))
    assert batch.ready() == "bytes"


def test_batch_is_full_at_its_age() -> None:
    clock = Clock()
    batch = Batch(LIMITS, clock)
    batch.extend(messages(1))
    clock.now += 0.499
    assert batch.ready() is None
    clock.now += 0.002
    assert batch.ready() == "age"


def test_message_after_a_quiet_minute_still_waits_for_company() -> None:
    clock = Clock()
    batch = Batch(LIMITS, clock)
    clock.now += 60
    batch.extend([])
    assert batch.remaining() is None
    assert batch.ready() is None
    clock.now += 60
    batch.extend(messages(1))
    assert batch.remaining() == LIMITS.seconds
    assert batch.ready() is None


def test_later_messages_do_not_move_a_batchs_clock() -> None:
    clock = Clock()
    batch = Batch(LIMITS, clock)
    batch.extend(messages(1))
    clock.now += 0.25
    batch.extend(messages(1))
    assert batch.remaining() == 0.25
    clock.now += 10
    assert batch.remaining() == 0.0


def test_messages_keep_their_order_also_beyond_the_limit() -> None:
    batch = Batch(LIMITS, Clock())
    several = messages(5)
    batch.extend(several[:2])
    batch.extend(several[2:])
    assert batch.messages == several
    assert batch.ready() == "messages"


def test_message_that_no_longer_fits_fills_the_batch_and_is_left() -> None:
    batch = Batch(LIMITS, Clock())
    small, large = messages(1, size=40), messages(2, size=90)
    assert list(batch.extend(small)) == []
    assert list(batch.extend(large)) == large
    assert batch.messages == small
    assert batch.ready() == "bytes"


def test_message_larger_than_the_limit_is_a_batch_of_its_own() -> None:
    batch = Batch(LIMITS, Clock())
    several = messages(3, size=1000)
    assert list(batch.extend(several)) == several[1:]
    assert batch.messages == several[:1]
    assert batch.ready() == "bytes"


def test_messages_that_fill_a_batch_exactly_leave_none() -> None:
    batch = Batch(LIMITS, Clock())
    assert list(batch.extend(messages(2, size=50))) == []
    assert batch.ready() == "bytes"
