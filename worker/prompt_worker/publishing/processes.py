"""One sender for each process: a forked child gets its own, and one that ends sends, spools or logs what it holds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from prompt_worker.publishing import endings
from prompt_worker.publishing.sender import Sender

# For all publishers of a process together, once the client library is loaded.
_EXIT_SECONDS = 3.0
# For all publishers together: a fork waits so long, and for a request so long since it began.
_FORK_SECONDS = 2.0
_REQUEST_SECONDS = 0.5
# A fork and an exit wait for the import of the client library, which a busy machine needs seconds for.
_LOADING_SECONDS = 6.0
_POLL_SECONDS = 0.02


class ProcessLocal:
    """Holds this process's sender; a fork gets a new one."""

    def __init__(self, make: Callable[[], Sender]) -> None:
        self._make = make
        self.sender = self._made()
        _all.add(self)

    def renew(self) -> None:
        """A new sender, for a forked child: what waits in the parent's is the parent's to send."""
        _left_by_parent.append(self.sender)
        if self.sender.backlog.spool is not None:
            self.sender.backlog.spool.abandon()
        self.sender = self._made()

    def _made(self) -> Sender:
        sender = self._make()
        sender.on_start = _watch_billiard
        return sender


# For good: what a publisher that nobody refers to still holds is sent, too.
_all: set[ProcessLocal] = set()
# Never freed: a child must not close the parent's connection.
_left_by_parent: list[Sender] = []
_forking = threading.local()


class _End:
    """When this process must have ended; `deadline` is None until it begins to."""

    deadline: float | None = None
    watched = False


def senders() -> list[Sender]:
    """Those of this process's publishers."""
    return [each.sender for each in tuple(_all)]


def _before_fork() -> None:
    # No request in flight, nor the import of gRPC: the child could use neither after that.
    started = time.monotonic()
    _forking.held = [sender.busy for sender in senders() if _hold(sender, started)]


def _hold(sender: Sender, started: float) -> bool:
    """Waits until `sender` rests; False when even an interrupted request does not end."""
    while not sender.busy.acquire(timeout=_POLL_SECONDS):
        waited = time.monotonic() - started
        if waited >= (_LOADING_SECONDS if sender.loading() else _FORK_SECONDS):
            return False
        # Pub/Sub hangs; the fork must not hang with it.
        sender.interrupt(_REQUEST_SECONDS)
    return True


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    _End.deadline, _End.watched = None, False
    for each in _all:
        each.renew()


def _watch_billiard() -> None:
    if not _End.watched:
        _End.watched = True
        endings.watch_billiard(_stop_all)


def _time_left() -> float:
    """Seconds, of those that this process has to end in."""
    if _End.deadline is None:
        _wait_for_loading()
        _End.deadline = time.monotonic() + _EXIT_SECONDS
    return max(0.0, _End.deadline - time.monotonic())


def _wait_for_loading() -> None:
    until = time.monotonic() + _LOADING_SECONDS
    while time.monotonic() < until and any(sender.unsent() and sender.loading() for sender in senders()):
        time.sleep(_POLL_SECONDS)


def _drain_all() -> None:
    for sender in senders():
        if sender.unsent():
            sender.drain(_time_left())


def _stop_all() -> None:
    for sender in senders():
        if not sender.stopped():
            sender.stop(_time_left())


endings.register(_drain_all, _stop_all)
# Windows does not fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
