"""A file's lines on their way: what is counted, which lines are refused, when waiting ends. No broker is reached."""

from __future__ import annotations

from concurrent.futures import Future
from io import BytesIO
from typing import Any

import pytest

from prompt_worker.event.execution import ExecutionEvent, InvalidEventError
from prompt_worker.publishing import lines
from prompt_worker.publishing.errors import NotPublishedError
from prompt_worker.publishing.lines import ArrayError, StalledError, Tally, publish_lines, read_lines
from prompt_worker.publishing.publisher import SPOOLED
from tests.support.events import body


class FakePublisher:
    """Settles each event as the user that it names says."""

    OUTCOMES = {  # noqa: RUF012
        "spooled": SPOOLED,
        "lost": NotPublishedError("no room"),
        "refused": InvalidEventError("too_large", "too large"),
    }

    def publish(self, event: ExecutionEvent) -> Future[str]:
        future: Future[str] = Future()
        outcome = self.OUTCOMES.get(str(event.user_id), "17")
        if event.user_id == "never":
            pass
        elif isinstance(outcome, str):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
        return future


def publish(*lines: bytes, **options: Any) -> tuple[Tally, list[int]]:
    """The counts, and the numbers of the lines that were refused."""
    tally = Tally()
    refused = publish_lines(lines, FakePublisher(), tally, **options)  # type: ignore[arg-type]
    return tally, [number for number, _ in refused]


def test_endless_line_is_refused_without_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LONGEST", 1000)
    most = 0

    class Counting(BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            nonlocal most
            line = super().readline(size)
            most = max(most, len(line))
            return line

    file = Counting(body() + b"\n" + b"x" * 100_000 + b"\n" + body() + b"\n" + b" " * 5000)
    read = list(read_lines(file))
    assert most <= 1001
    tally, refused = publish(*read)
    assert (tally.published, refused) == (2, [2])
    assert "more than 1,000 bytes" in next(publish_lines(read[1:2], FakePublisher(), Tally())).reason  # type: ignore[arg-type]


def test_each_line_counts_once_by_its_outcome() -> None:
    users = ("a", "b", "spooled", "lost", "refused")
    tally, refused = publish(*(body(user_id=user) for user in users), b"{SECRET", b"\n", b"  ")
    assert tally == Tally(lines=6, published=2, spooled=1, refused=2, lost=1)
    assert refused == [6]


def test_refused_line_is_named_with_its_reason() -> None:
    tally = Tally()
    lines = [body(), b"\n", body(status="SECRET")]
    ((number, reason),) = publish_lines(lines, FakePublisher(), tally)  # type: ignore[arg-type]
    assert number == 3
    assert "`$.status`" in reason
    assert "SECRET" not in reason


def test_reading_stops_when_nothing_is_settled() -> None:
    with pytest.raises(StalledError, match=r"accepted nothing for 0 s"):
        publish(body(), body(user_id="never"), patience=0.01)


def test_byte_order_mark_is_skipped_where_a_file_begins() -> None:
    tally, refused = publish(b"\xef\xbb\xbf" + body(), b"\xef\xbb\xbf" + body())
    assert (tally.published, refused) == (1, [2])
    assert publish(b"\xef\xbb\xbf\n", body())[0] == Tally(lines=1, published=1)


@pytest.mark.parametrize(
    "start",
    [
        (b"[\n",),
        (
            b"\n",
            b"  [ ",
        ),
        (b"\xef\xbb\xbf[",),
        (b"[" + body() + b",",),
    ],
)
def test_array_is_refused_as_a_whole(start: tuple[bytes, ...]) -> None:
    with pytest.raises(ArrayError, match="one event a line"):
        publish(*start, body() + b",\n", body() + b"\n", b"]\n")


def test_array_after_an_event_is_one_refused_line() -> None:
    assert publish(body(), b"[" + body() + b"]") == (Tally(lines=2, published=1, refused=1), [2])
