"""Newline-delimited JSON events to the topic, any number of them in the same memory."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import BinaryIO

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from prompt_worker.event.execution import ExecutionEvent, InvalidEventError, parse
from prompt_worker.platform.failures import Failure
from prompt_worker.publishing.publisher import SPOOLED, Publisher

_UNDER_WAY = 5_000  # fewer than a publisher holds in memory: reading waits for sending
_CLOSE_S = 5.0
_STEP = 256  # lines between two looks of the progress bar


class Tally(msgspec.Struct):
    """What became of the lines. `spooled` events wait on disk; `lost` ones were given up, their ids are logged."""

    lines: int = 0
    published: int = 0
    spooled: int = 0
    refused: int = 0
    lost: int = 0
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return 130
        return 1 if self.refused or self.spooled or self.lost else 0


class SourceError(Failure):
    """The file cannot be read."""

    exit_code = 66


@contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """The file of that name, or standard input for `-`. Raises `SourceError`."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = open(name, "rb")  # noqa: SIM115
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}") from None
    with file:
        yield file


def run(lines: BinaryIO, publisher: Publisher, *, as_json: bool = False, patience: float = 60.0) -> int:
    """Publishes each line and closes `publisher`; prints what became of them. The exit code: 0 when all arrived.

    Each refused line is reported on standard error with its number and the reason. Gives up when Pub/Sub takes
    nothing for `patience` seconds.
    """
    tally = Tally()
    under_way = _UnderWay(tally, patience)
    try:
        with _interrupts() as interrupted:
            for event in _events(_with_progress(lines, tally), tally):
                under_way.add(publisher.publish(event))
                if interrupted.is_set():
                    raise KeyboardInterrupt
            under_way.wait()
    except KeyboardInterrupt:
        tally.interrupted = True
    except TimeoutError:
        print(f"Pub/Sub took nothing for {patience:.0f} s", file=sys.stderr)
    publisher.close(_CLOSE_S)
    _print(tally, as_json)
    return tally.exit_code


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Set by SIGINT, which raises as well: inside a finalizer or a callback from C that alone would be lost."""
    came = threading.Event()

    def note(_number: int, _frame: object) -> None:
        came.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


class _UnderWay:
    """Counts outcomes as they come, and makes the reader wait while too many are open."""

    def __init__(self, tally: Tally, patience: float) -> None:
        self._tally, self._patience = tally, patience
        self._changed = threading.Condition()
        self._open = 0

    def add(self, future: Future[str]) -> None:
        self._wait_until_below(_UNDER_WAY)
        with self._changed:
            self._open += 1
        future.add_done_callback(self._done)

    def wait(self) -> None:
        self._wait_until_below(1)

    def _wait_until_below(self, limit: int) -> None:
        with self._changed:
            while self._open >= limit:
                if not self._changed.wait(self._patience):
                    raise TimeoutError

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


def _events(lines: Iterable[bytes], tally: Tally) -> Iterator[ExecutionEvent]:
    for number, line in enumerate(lines, start=1):
        if line.isspace():
            continue
        tally.lines += 1
        try:
            yield parse(line)[0]
        except InvalidEventError as error:
            tally.refused += 1
            print(f"line {number}: {error}", file=sys.stderr)


def _with_progress(lines: BinaryIO, tally: Tally) -> Iterable[bytes]:
    """The lines, with a bar on a terminal that fills by bytes; without a size it counts only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from lines
        return
    size = lines.seek(0, 2) if lines.seekable() else None
    if size is not None:
        lines.seek(0)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("publishing", total=size)
        read = 0
        for number, line in enumerate(lines):
            read += len(line)
            if number % _STEP == 0:
                progress.update(task, completed=read, description=f"{tally.published:,} published")
            yield line
        progress.update(task, completed=read, description=f"{tally.published:,} published")


def _print(tally: Tally, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(tally).decode())
        return
    parts = [f"{tally.published:,} of {tally.lines:,} events published"]
    parts += [f"{tally.refused:,} refused"] * bool(tally.refused)
    parts += [f"{tally.spooled:,} wait in the spool"] * bool(tally.spooled)
    parts += [f"{tally.lost:,} given up"] * bool(tally.lost)
    parts += ["interrupted"] * tally.interrupted
    print(", ".join(parts))
