"""One heap for all of a process's threads, where the C library is glibc."""

import ctypes
import os
from contextlib import suppress

_M_ARENA_MAX = -8  # of glibc's <malloc.h>


def share_one() -> None:
    """To be called before threads start, and only of use then.

    A worker's threads hand each other what they make. With a heap for each, all stay as large as each once was.
    """
    if "MALLOC_ARENA_MAX" in os.environ:  # somebody knows better
        return
    with suppress(AttributeError, OSError):  # another C library has no such setting, or none is needed
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
