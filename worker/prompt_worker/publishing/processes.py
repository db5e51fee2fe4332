"""One sender for each process: a forked child gets its own, and one that ends without `close` logs what it loses."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

from prompt_worker.publishing.sender import Sender

_EXIT_SECONDS = 3.0
_FORK_WAIT_SECONDS = 2.0


class ProcessLocal:
    """Holds this process's sender; a fork gets a new one."""

    def __init__(self, make: Callable[[], Sender]) -> None:
        self._make = make
        self.sender = make()
        _all.add(self)

    def renew(self) -> None:
        """A new sender, for a forked child: what waits in the parent's is the parent's to send."""
        _left_by_parent.append(self.sender)
        if self.sender.backlog.spool is not None:
            self.sender.backlog.spool.abandon()
        self.sender = self._make()
        self.sender.on_start = self._end_with_multiprocessing

    def _end_with_multiprocessing(self) -> None:
        # Its forked children end without atexit, and forget what was registered before they started.
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self.sender.stop, args=(_EXIT_SECONDS,), exitpriority=0)


# For good: what a publisher that nobody refers to still holds is sent, too.
_all: set[ProcessLocal] = set()
# Never freed: a child must not close the parent's connection.
_left_by_parent: list[Sender] = []
_forking = threading.local()


def senders() -> list[Sender]:
    """Those of this process's publishers."""
    return [each.sender for each in tuple(_all)]


def _before_fork() -> None:
    # No request in flight, nor the import of gRPC: the child could use neither after that.
    locks = [sender.busy for sender in senders()]
    _forking.held = [lock for lock in locks if lock.acquire(timeout=_FORK_WAIT_SECONDS)]


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    for each in _all:
        each.renew()


def _at_exit() -> None:
    for sender in senders():
        if not sender.stopped():
            sender.stop(_EXIT_SECONDS)


atexit.register(_at_exit)
# Windows does not fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
