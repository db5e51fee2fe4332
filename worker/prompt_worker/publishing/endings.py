"""The ends of a process: each calls the publishers while their thread still runs.

Python ends by joining threads and then running atexit; a child of multiprocessing only joins threads, and one of
billiard, as Celery's workers are, does neither.
"""

from __future__ import annotations

import atexit

# gRPC imports it, and it cannot be imported any more once Python is ending.
import concurrent.futures.thread  # noqa: F401
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

_JOIN_SECONDS = 0.5


def register(drain: Callable[[], None], stop: Callable[[], None]) -> None:
    """`drain` is called when no other thread can publish any more, `stop` at the very end.

    Events that come in between, from what others registered with atexit, are for `stop`.
    """
    atexit.register(stop)
    # What `concurrent.futures` uses: there is no public way to learn of the end before threads are joined.
    before_join = getattr(threading, "_register_atexit", None)
    if before_join is not None:
        with suppress(RuntimeError):
            before_join(_start_draining, partial(_drain, drain, stop))


def watch_billiard(stop: Callable[[], None]) -> None:
    """Calls `stop` at the end of this process if it is a child of billiard."""
    process, util = sys.modules.get("billiard.process"), sys.modules.get("billiard.util")
    if process is None or util is None:
        return
    child = process.current_process()
    if getattr(child, "_parent_pid", None) is None:
        return
    util.Finalize(None, stop, exitpriority=0)
    # A worker of a pool ends without finalizers.
    worker: Any = getattr(child, "_target", None)
    if hasattr(worker, "on_exit"):
        worker.on_exit = partial(_on_exit, worker.on_exit, stop)


def _on_exit(then: Callable[[int, int], None] | None, stop: Callable[[], None], pid: int, code: int) -> None:
    try:
        if then is not None:
            then(pid, code)
    finally:
        stop()


def _start_draining(action: Callable[[], None]) -> None:
    # Not a daemon: Python waits for it, as for the threads that it waits for.
    try:
        threading.Thread(target=action, name="prompt-publisher-end").start()
    # Python starts none any more.
    except RuntimeError:
        action()


def _drain(drain: Callable[[], None], stop: Callable[[], None]) -> None:
    while others := _publishing_threads():
        for thread in others:
            # It may be about to start.
            with suppress(RuntimeError):
                thread.join(_JOIN_SECONDS)
    drain()
    if _ends_without_atexit():
        stop()


def _publishing_threads() -> list[threading.Thread]:
    ours = threading.main_thread(), threading.current_thread()
    return [thread for thread in threading.enumerate() if not thread.daemon and thread not in ours]


def _ends_without_atexit() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None
