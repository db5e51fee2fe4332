"""LISTEN: news within a moment where it works. Nothing depends on it, as its end may go unnoticed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT, connection

from prompt_worker.prompts.errors import SourceError
from prompt_worker.prompts.registry.document import Position
from prompt_worker.prompts.registry.waking import Waking

CHANNEL = "prompt_registry"
# A listener that was lost, or could not be made, is made again after so long.
AGAIN_SECONDS = 60.0


class Listening:
    """One connection that stays open; none where the server or something before it does not let it listen."""

    def __init__(self, connect: Callable[[], connection]) -> None:
        self._connect = connect
        self._opened: connection | None = None
        self._again_at = 0.0
        self._owner = os.getpid()

    def wait(self, known: Position, seconds: float, waking: Waking) -> None:
        """Returns early when the registry says that it is no longer at `known`."""
        until = time.monotonic() + seconds
        opened = self._listener()
        while (left := until - time.monotonic()) > 0 and not waking.is_set():
            if opened is None:
                waking.wait(left)
            elif waking.wait(left, opened.fileno()):
                try:
                    opened.poll()
                except psycopg2.Error:
                    self._lose()
                    opened = None
                    continue
                if any(each.payload != str(known) for each in _taken(opened)):
                    return

    def close(self) -> None:
        # By the thread that uses it: that ends soon, and another one's close would race with it.
        self._again_at = float("inf")

    def end(self) -> None:
        """By the thread that uses it."""
        self._lose()

    def _listener(self) -> connection | None:
        if self._opened is None and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + AGAIN_SECONDS
            with suppress(psycopg2.Error, SourceError):
                opened = self._connect()
                try:
                    self._opened = _listening(opened)
                finally:
                    if self._opened is None:
                        opened.close()
        return self._opened

    def _lose(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and self._owner == os.getpid():
            with suppress(psycopg2.Error):
                opened.close()


def _listening(opened: connection) -> connection | None:
    """None behind a pooler, whose server for LISTEN is not that of the next transaction."""
    with opened.cursor() as asking:
        asking.execute("SELECT pg_backend_pid()")
        (backend,) = asking.fetchone() or (None,)
    opened.rollback()
    # A pooler gives its clients a number of its own.
    if backend != opened.info.backend_pid:
        return None
    opened.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    with opened.cursor() as asking:
        asking.execute(f"LISTEN {CHANNEL}")
    return opened


def _taken(opened: connection) -> list[psycopg2.extensions.Notify]:
    taken = list(opened.notifies)
    del opened.notifies[:]
    return taken
