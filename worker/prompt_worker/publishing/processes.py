"""One sender for each process: a forked child gets its own, and a process that ends without `close` loses nothing
without a log."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

from prompt_worker.publishing.sender import Sender

_EXIT_TIMEOUT_S = 3.0
_FORK_WAIT_S = 2.0


class PerProcess:
    """`sender` is this process's own, made by `make`."""

    def __init__(self, make: Callable[[], Sender]) -> None:
        self._make = make
        self.sender = make()
        _all.add(self)

    def renew(self) -> None:
        """What waits in the parent's is the parent's to send."""
        _left_by_parent.append(self.sender)
        if self.sender.backlog.spool is not None:
            self.sender.backlog.spool.abandon()
        self.sender = self._make()
        self.sender.on_start = self._end_with_multiprocessing

    def _end_with_multiprocessing(self) -> None:
        # Its forked children end without atexit, and forget what was registered before they started.
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self.sender.stop, args=(_EXIT_TIMEOUT_S,), exitpriority=0)


def unsent() -> int:
    """Events that wait in this process's memory."""
    return sum(each.sender.unsent() for each in _all)


def spool_bytes() -> int:
    """Of events that wait on disk, for this process or another."""
    spools = [each.sender.backlog.spool for each in _all]
    return sum({spool.folder: spool.size() for spool in spools if spool is not None}.values())


_all: set[PerProcess] = set()  # for good: what a dropped publisher still holds is sent, too
_left_by_parent: list[Sender] = []  # never freed: a child must not close the parent's connection
_forking = threading.local()


def _before_fork() -> None:
    # No request under way, nor the import of gRPC: the child could use neither after that.
    locks = [each.sender.busy for each in _all]
    _forking.held = [lock for lock in locks if lock.acquire(timeout=_FORK_WAIT_S)]


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    for each in _all:
        each.renew()


def _at_exit() -> None:
    for each in _all:
        if not each.sender.stopped():
            each.sender.stop(_EXIT_TIMEOUT_S)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
