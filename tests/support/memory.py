"""Files of servers in memory: what a test writes is gone after it, and a disk would be the slowest part of a run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Linux has it: half as large as the machine's memory, or 64 MB in a container that was not given more.
MEMORY = Path("/dev/shm")
# Bytes: a server writes a few hundred million, and at most a log of 1 GB beside them.
ROOM = 2_000_000_000


@contextmanager
def home_in_memory() -> Iterator[None]:
    """A server started in this context has its home in memory, or on the disk where there is too little."""
    with pytest.MonkeyPatch.context() as patch:
        if free_bytes() > ROOM:
            patch.setattr(tempfile, "tempdir", str(MEMORY))
        yield


def free_bytes() -> int:
    """0 where it cannot hold programs: a server may need copies of its own."""
    if not MEMORY.is_dir():
        return 0
    found = os.statvfs(MEMORY)
    return 0 if found.f_flag & os.ST_NOEXEC else found.f_bavail * found.f_frsize
