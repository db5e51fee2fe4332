"""Is this process making progress? Every thread with a batch in flight says when it moves; silence is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# By thread with a batch in flight: when it last moved.
_moved: dict[int, float] = {}


@contextmanager
def in_flight() -> Iterator[None]:
    """While it lasts, the calling thread has a batch in flight and is expected to move."""
    thread = threading.get_ident()
    _moved[thread] = time.monotonic()
    try:
        yield
    finally:
        del _moved[thread]


@contextmanager
def taking_turns(lock: threading.Lock) -> Iterator[None]:
    """Holds `lock`. While the calling thread waits for it, the thread that holds it is the one expected to move."""
    thread = threading.get_ident()
    expected = _moved.pop(thread, None) is not None
    try:
        lock.acquire()
    finally:
        if expected:
            _moved[thread] = time.monotonic()
    try:
        yield
    finally:
        lock.release()


def moved() -> None:
    """The calling thread makes progress. A retry counts: while the database is down, a restart would not help."""
    thread = threading.get_ident()
    if thread in _moved:
        _moved[thread] = time.monotonic()


def silence() -> float:
    """Seconds since the thread that is silent the longest has moved; 0.0 with nothing in flight."""
    moments = list(_moved.values())
    return time.monotonic() - min(moments) if moments else 0.0
