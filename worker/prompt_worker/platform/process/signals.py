"""Signals: their handlers set a flag and do no more, since they may interrupt any lock."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from prompt_worker.platform.process.wakeup import Wakeup

# Between checks of whether a signal came.
FLAG_SECONDS = 0.1


def exit_while_starting() -> None:
    """Lets SIGTERM end the process with exit code 0 at once: while a worker starts, nothing is in flight."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@contextmanager
def stopped_by_signal() -> Iterator[Wakeup]:
    """A flag that the first SIGINT or SIGTERM sets; a second one kills."""
    stop = Wakeup()

    def note(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_signal(run: Callable[[], None], stop: threading.Event) -> None:
    """Calls `run` on a thread and waits for it; the first signal sets `stop`, which asks it to end in order.

    Raises what `run` raises.
    """
    failures: list[BaseException] = []

    def run_and_remember() -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)

    running = threading.Thread(target=run_and_remember, name="consumer")
    with stopped_by_signal() as signalled:
        running.start()
        while running.is_alive():
            running.join(FLAG_SECONDS)
            if signalled.is_set():
                stop.set()
    for failure in failures:
        raise failure


@contextmanager
def interrupts() -> Iterator[Wakeup]:
    """Set by SIGINT, which raises KeyboardInterrupt as well, for work that ends at once.

    Check it between two steps: raised inside a finalizer or a callback from C, the exception alone would be lost.
    """
    interrupted = Wakeup()

    def note(_number: int, _frame: FrameType | None) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
