"""How many pulls are open: by their number, and by the bytes that they may bring beside those in flight."""

from __future__ import annotations

from prompt_worker.consuming.pull.window import Window
from prompt_worker.platform.pubsub.limits import MESSAGE_BYTES

LIMIT = 32_000_000
SMALL = 130_000


def opened(window: Window) -> int:
    """How many more pulls it lets be opened."""
    number = 0
    while window.open():
        number += 1
    return number


def answer(window: Window, size: int) -> None:
    """One that is read at once."""
    window.answered(size)
    window.read()


def test_small_answers_keep_every_pull_open() -> None:
    window = Window(pulls=4, limit=LIMIT)
    opened(window)
    for _ in range(100):
        answer(window, SMALL)
        opened(window)
        window.settled(SMALL)
    assert window.unread == 4


def test_first_answers_are_expected_to_be_large() -> None:
    assert opened(Window(pulls=10, limit=LIMIT)) == LIMIT // MESSAGE_BYTES


def test_large_answers_leave_room_for_fewer_pulls() -> None:
    window = Window(pulls=4, limit=LIMIT)
    assert opened(window) == 3
    answer(window, 9_500_000)
    assert opened(window) == 0, "the two that are open may bring as much"
    answer(window, 9_500_000)
    answer(window, 9_500_000)
    assert opened(window) == 0
    window.settled(9_500_000)
    assert opened(window) == 1


def test_unread_answers_count() -> None:
    window = Window(pulls=2, limit=LIMIT)
    assert opened(window) == 2
    window.answered(SMALL)
    window.answered(SMALL)
    assert opened(window) == 0
    window.read()
    assert opened(window) == 1


def test_message_larger_than_the_limit_passes_alone() -> None:
    window = Window(pulls=4, limit=1_000)
    assert opened(window) == 1
    answer(window, 9_500_000)
    assert opened(window) == 0
    window.settled(9_500_000)
    assert opened(window) == 1


def test_empty_and_failed_pulls_take_no_room() -> None:
    window = Window(pulls=4, limit=LIMIT)
    for _ in range(50):
        opened(window)
        answer(window, 0)
    assert opened(window) == 1


def test_one_large_answer_is_remembered_for_a_while() -> None:
    window = Window(pulls=4, limit=LIMIT)
    opened(window)
    answer(window, 20_000_000)
    window.settled(20_000_000)
    assert opened(window) == 0, "the two that are open may bring twice as much"
    for _ in range(60):
        answer(window, SMALL)
        window.settled(SMALL)
        opened(window)
    assert window.unread == 4
