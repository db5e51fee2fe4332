"""An execution that is measured: its event is published when the block around it ends, however it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prompt_worker.event.execution import ExecutionEvent


@contextmanager
def timed(event: ExecutionEvent, publish: Callable[[ExecutionEvent], object]) -> Iterator[None]:
    """Fills in `execution_time_ms` and, of a block that fails or is left, status and error; then calls `publish`.

    What the block itself has set is kept, and an exception is raised on.
    """
    started = time.monotonic()
    try:
        yield
    except GeneratorExit:
        # The reader of a stream left, by break, close or aclose: no error of anybody's.
        if event.status == "success":
            event.status = "partial"
        raise
    except BaseException as error:
        if event.status == "success":
            event.status = "failure"
        event.error_type = event.error_type or type(error).__name__[:100]
        event.error_message = event.error_message or _text(error)
        raise
    finally:
        if event.execution_time_ms is None:
            event.execution_time_ms = round((time.monotonic() - started) * 1000)
        publish(event)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    # An exception whose own text cannot be made must not hide the one that is being recorded.
    except Exception:
        return ""
