"""Which worker process of pytest-xdist runs which test."""

from __future__ import annotations

import os

from xdist.scheduler import LoadScopeScheduling

# Their fixtures take a quarter of a minute: the image and the wheel are built once.
IN_ONE_PROCESS = ("test_image.py", "test_wheel.py")


def number_of_processes() -> int:
    """One more than there are cores, as tests wait for a third of their time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


class Scheduling(LoadScopeScheduling):
    """The next test to whichever worker process is free; a file of `IN_ONE_PROCESS` as a whole, and first.

    The marker `xdist_group` would do it, but pytest-xdist 3.8 ignores it under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return file if file.endswith(IN_ONE_PROCESS) else nodeid
