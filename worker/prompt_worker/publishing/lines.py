"""Newline-delimited JSON events to the topic, any number of them in the same memory."""

from __future__ import annotations

import threading
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import BinaryIO, NamedTuple

import msgspec

from prompt_worker.event import feedback
from prompt_worker.event.execution import parse
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.publishing.publisher import SPOOLED, Publisher

# Fewer than a publisher holds in memory: reading waits for sending.
_IN_FLIGHT = 5_000
# Bytes of a line, several times what Pub/Sub accepts: the texts of a longer event are cut.
LONGEST = 64_000_000


class Tally(msgspec.Struct):
    """What became of the lines. `spooled` events wait on disk; `lost` ones were given up, their ids are logged."""

    lines: int = 0
    published: int = 0
    spooled: int = 0
    refused: int = 0
    lost: int = 0
    interrupted: bool = False


class Refused(NamedTuple):
    """A line that is no event: its number, from 1, and a reason that holds none of its text."""

    number: int
    reason: str


class ArrayError(Exception):
    """The lines are one JSON array: none of it is published."""


class StalledError(Exception):
    """Pub/Sub accepted nothing for as long as the caller was willing to wait."""


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file; of one that is too long no more than shows that, whatever its length. Raises `OSError`."""
    while line := file.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST + 1)


# Hands over the event in a line. Raises `InvalidEventError`.
HandOver = Callable[[Publisher, bytes], Future[str]]


def hand_over_execution(publisher: Publisher, line: bytes) -> Future[str]:
    return publisher.publish(parse(line)[0])


def hand_over_feedback(publisher: Publisher, line: bytes) -> Future[str]:
    return publisher.feedback(**msgspec.structs.asdict(feedback.parse(line)[0]))


def publish_lines(
    lines: Iterable[bytes],
    publisher: Publisher,
    tally: Tally,
    *,
    hand_over: HandOver = hand_over_execution,
    patience: float = 60.0,
) -> Iterator[Refused]:
    """Publishes each line, waits until all are settled, and yields the lines that it refuses.

    `tally` is counted up meanwhile; it is final once `publisher` is closed. Blank lines and a byte order mark do not
    count. Raises `ArrayError` before anything is published, and `StalledError` after `patience` seconds in which no
    event was settled.
    """
    in_flight = _InFlight(tally, patience)
    for number, given in enumerate(lines, start=1):
        line = given.removeprefix(BOM_UTF8) if number == 1 else given
        if not line.strip():
            continue
        if tally.lines == 0 and line.lstrip().startswith(b"["):
            raise ArrayError("a JSON array, of which nothing is published: write one event a line")
        tally.lines += 1
        if len(line) > LONGEST:
            in_flight.refuse()
            yield Refused(number, f"it has more than {LONGEST:,} bytes")
            continue
        try:
            future = hand_over(publisher, line)
        except InvalidEventError as error:
            in_flight.refuse()
            yield Refused(number, str(error))
        else:
            in_flight.add(future)
    in_flight.wait()


class _InFlight:
    """Counts outcomes as they come, and makes the reader wait while too many events are open."""

    def __init__(self, tally: Tally, patience: float) -> None:
        self._tally, self._patience = tally, patience
        self._changed = threading.Condition()
        self._open = 0

    def refuse(self) -> None:
        with self._changed:
            self._tally.refused += 1

    def add(self, future: Future[str]) -> None:
        self._wait_until_below(_IN_FLIGHT)
        with self._changed:
            self._open += 1
        future.add_done_callback(self._done)

    def wait(self) -> None:
        self._wait_until_below(1)

    def _wait_until_below(self, limit: int) -> None:
        with self._changed:
            while self._open >= limit:
                if not self._changed.wait(self._patience):
                    raise StalledError(f"Pub/Sub accepted nothing for {self._patience:.0f} s")

    def _done(self, future: Future[str]) -> None:
        error = future.exception()
        with self._changed:
            self._open -= 1
            if error is None:
                self._tally.spooled += future.result() == SPOOLED
                self._tally.published += future.result() != SPOOLED
            elif isinstance(error, InvalidEventError):
                self._tally.refused += 1
            else:
                self._tally.lost += 1
            self._changed.notify_all()
