"""`prompt-worker publish`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.terminal.streams import ClosedStream
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.process.signals import interrupts
from prompt_worker.platform.process.wakeup import Wakeup
from prompt_worker.publishing.lines import (
    ArrayError,
    HandOver,
    StalledError,
    Tally,
    hand_over_execution,
    hand_over_feedback,
    publish_lines,
    read_lines,
)
from prompt_worker.publishing.publisher import Publisher

_CLOSE_SECONDS = 5.0
# Lines between two updates of the progress bar.
_STEP = 256


class SourceError(Failure):
    """The file cannot be read."""

    exit_code = 66


class FormatError(Failure):
    """The file is not one event a line."""

    exit_code = 65


def add(commands: Commands) -> None:
    publish = add_command(commands, "publish", _publish, "publish newline-delimited JSON events")
    publish.add_argument("file", metavar="FILE", help="a file, or - for standard input")
    publish.add_argument("--feedback", action="store_true", help="they are feedback (default: executions)")
    publish.add_argument("--json", action="store_true", help="print the counts as JSON")


def _publish(options: argparse.Namespace) -> int:
    from prompt_worker.platform.telemetry import configure_logs

    configure_logs("WARNING")
    with source(options.file) as lines:
        hand_over = hand_over_feedback if options.feedback else hand_over_execution
        return run(lines, Publisher(), hand_over=hand_over, as_json=options.json)


@contextmanager
def source(name: str) -> Iterator[BinaryIO]:
    """The file of that name, or standard input for `-`. Raises `SourceError`."""
    if name == "-":
        # As the shell's `<&-` leaves it.
        if sys.stdin is None or isinstance(sys.stdin, ClosedStream):
            raise SourceError("cannot read standard input: it is closed")
        yield sys.stdin.buffer
        return
    try:
        file = open(name, "rb")  # noqa: SIM115
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}") from None
    with file:
        yield file


def run(
    lines: BinaryIO,
    publisher: Publisher,
    *,
    hand_over: HandOver = hand_over_execution,
    as_json: bool = False,
    patience: float = 60.0,
) -> int:
    """Publishes each line and closes `publisher`; prints what became of them. The exit code: 0 when all arrived.

    Each refused line is reported on standard error with its number and the reason. Gives up when Pub/Sub accepts
    nothing for `patience` seconds. Raises `FormatError` and `SourceError`.
    """
    tally = Tally()
    failure: SourceError | None = None
    try:
        with interrupts() as interrupted:
            checked = _until(interrupted, _with_progress(lines, tally))
            for number, reason in publish_lines(
                checked, publisher, tally, hand_over=hand_over, patience=patience
            ):
                print(f"line {number}: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        tally.interrupted = True
    except StalledError as error:
        print(error, file=sys.stderr)
    except SourceError as error:
        failure = error
    except ArrayError as error:
        raise FormatError(f"{error}, for example: jq -c '.[]' FILE | prompt-worker publish -") from None
    finally:
        publisher.close(_CLOSE_SECONDS)
    print(msgspec.json.encode(tally).decode() if as_json else _summary(tally))
    if failure is not None:
        raise failure
    return _exit_code(tally)


def _read(lines: BinaryIO) -> Iterator[bytes]:
    """The lines. Raises `SourceError` where the file fails."""
    try:
        yield from read_lines(lines)
    except OSError as error:
        raise SourceError(f"cannot read on: {error.strerror}") from None


def _until(interrupted: Wakeup, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line
        if interrupted.is_set():
            raise KeyboardInterrupt


def _with_progress(lines: BinaryIO, tally: Tally) -> Iterator[bytes]:
    """The lines, with a bar on a terminal that fills by bytes; without a size it counts only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from _read(lines)
        return
    size = lines.seek(0, 2) if lines.seekable() else None
    if size is not None:
        lines.seek(0)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("publishing", total=size)
        read = 0
        for number, line in enumerate(_read(lines)):
            read += len(line)
            if number % _STEP == 0:
                progress.update(task, completed=read, description=f"{tally.published:,} published")
            yield line
        progress.update(task, completed=read, description=f"{tally.published:,} published")


def _summary(tally: Tally) -> str:
    parts = [f"{tally.published:,} of {tally.lines:,} events published"]
    parts += [f"{tally.refused:,} refused"] * bool(tally.refused)
    parts += [f"{tally.spooled:,} wait in the spool"] * bool(tally.spooled)
    parts += [f"{tally.lost:,} given up"] * bool(tally.lost)
    parts += ["interrupted"] * tally.interrupted
    return ", ".join(parts)


def _exit_code(tally: Tally) -> int:
    if tally.interrupted:
        return 130
    return 1 if tally.refused or tally.spooled or tally.lost else 0
