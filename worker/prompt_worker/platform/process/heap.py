"""The memory of a worker: one heap for all threads, and a garbage collector that suits batches."""

import ctypes
import gc
import os
from contextlib import suppress

_M_ARENA_MAX = -8  # mallopt(3)


def share_one() -> None:
    """One heap for all threads, where the C library is glibc: mallopt(3), M_ARENA_MAX.

    Call before any thread starts; later calls have no effect. A worker's threads hand each other what they make: with
    a heap for each, all stay as large as each once was.
    """
    if "MALLOC_ARENA_MAX" in os.environ:  # respect an explicit setting
        return
    with suppress(AttributeError, OSError):  # another C library has no such setting, or none is needed
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Call once start-up is done: what it made is kept, and collections are rare.

    Batches make thousands of objects and no cycles: 3 µs less an event.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
