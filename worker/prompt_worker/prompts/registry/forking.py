"""Forks: a child keeps what its parent knew, and follows the registry by a thread of its own."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Protocol

# For all services together. Compiling one template takes no longer.
_FORK_SECONDS = 1.0


class Following(Protocol):
    busy: threading.Lock

    def renew(self) -> None: ...


_all: weakref.WeakSet[Following] = weakref.WeakSet()
_forking = threading.local()


def follow(following: Following) -> None:
    """Until it is collected."""
    _all.add(following)


def _before_fork() -> None:
    until = time.monotonic() + _FORK_SECONDS
    locks = [each.busy for each in tuple(_all)]
    _forking.held = [lock for lock in locks if lock.acquire(timeout=max(0.0, until - time.monotonic()))]


def _after_fork_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_fork_in_child() -> None:
    for each in tuple(_all):
        each.renew()


# Windows does not fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
