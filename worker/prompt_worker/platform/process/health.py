"""Is this process making progress? Every thread with a batch in hand says when it moves; silence is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_moved: dict[int, float] = {}  # by thread with work in hand: when it last moved


@contextmanager
def in_hand() -> Iterator[None]:
    """While it lasts, the calling thread has work in hand and is expected to move."""
    thread = threading.get_ident()
    _moved[thread] = time.monotonic()
    try:
        yield
    finally:
        del _moved[thread]


def moved() -> None:
    """The work in hand goes on. A retry is a move: while the database is away, a restart would not help."""
    thread = threading.get_ident()
    if thread in _moved:
        _moved[thread] = time.monotonic()


def silence() -> float:
    """Seconds since the thread that is silent the longest has moved; 0.0 with nothing in hand."""
    moments = list(_moved.values())
    return time.monotonic() - min(moments) if moments else 0.0
