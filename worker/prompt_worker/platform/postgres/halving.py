"""A batch in halves where the database fails it, until the rows that cause it are alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import psycopg2

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.errors import classify, describe
from prompt_worker.platform.postgres.transactions import PATIENCE

Row = TypeVar("Row")

# Seconds before rows are handed back that failed alone while nothing else was written: the broker sends them at once.
PAUSE = 1.0
# Failures in a row, at least, before patience ends: where each takes a timeout, halves are tried first.
FAILURES = 20
# Rows that are remembered as having failed alone; beyond it the oldest is forgotten.
REMEMBERED = 10_000


class Halving(Generic[Row]):
    """Writes batches of one handler; safe to use from several threads. Setting `stop` ends its pauses.

    A row that fails alone is refused at once when the error is its own. When it may be the server's, other rows are the
    evidence: the row is refused if it fails again after another one was written. `key` identifies a row.
    """

    def __init__(
        self,
        stop: threading.Event,
        key: Callable[[Row], Hashable],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._key = key
        self._clock = clock
        self._written_at = clock()
        # Unknown errors since something was written, and when the first of them was.
        self._failures = 0
        self._failing_since = 0.0
        # By key, since when a row fails alone.
        self._doubtful: dict[Hashable, float] = {}

    def __call__(
        self,
        rows: Sequence[Row],
        write: Callable[[Sequence[Row]], object],
        refuse: Callable[[Row, psycopg2.Error], None],
    ) -> None:
        """Calls `refuse` for each row that is at fault; those that failed alone without evidence are left as they are.

        Raises every error that passes or is the deployment's, and `DeploymentError` when nothing could be written for
        `PATIENCE` seconds and `FAILURES` attempts.
        """
        started = self._clock()
        waiting = deque([rows] if rows else [])
        doubtful: list[Row] = []
        # Breadth first: a half that is written is evidence early, also where each failure takes a timeout.
        while waiting:
            batch = waiting.popleft()
            error = self._fails(batch, write)
            if error is None:
                continue
            if len(batch) > 1:
                middle = len(batch) // 2
                waiting += batch[:middle], batch[middle:]
            elif classify(error) == "event":
                refuse(batch[0], error)
            else:
                doubtful.append(batch[0])
        if doubtful:
            self._judge(doubtful, started, write, refuse)

    def _judge(
        self,
        rows: Sequence[Row],
        started: float,
        write: Callable[[Sequence[Row]], object],
        refuse: Callable[[Row, psycopg2.Error], None],
    ) -> None:
        for row in rows:
            since = self._doubtful.setdefault(self._key(row), started)
            if self._written_at > since and (error := self._fails([row], write)):
                refuse(row, error)
                self._doubtful.pop(self._key(row), None)
        while len(self._doubtful) > REMEMBERED:
            self._doubtful.pop(next(iter(self._doubtful)), None)
        if self._written_at <= started:
            self._stop.wait(PAUSE)

    def _fails(self, rows: Sequence[Row], write: Callable[[Sequence[Row]], object]) -> psycopg2.Error | None:
        """Writes the rows; the error if it is theirs, or may be."""
        try:
            write(rows)
        except psycopg2.Error as error:
            kind = classify(error)
            if kind == "unknown":
                self._lose_patience(error)
            elif kind != "event":
                raise
            return error
        self._written_at = self._clock()
        self._failures = 0
        if self._doubtful:
            for row in rows:
                self._doubtful.pop(self._key(row), None)
        return None

    def _lose_patience(self, error: psycopg2.Error) -> None:
        now = self._clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        if self._failures >= FAILURES and now - self._failing_since >= PATIENCE:
            raise DeploymentError(
                f"The database has failed every batch for {PATIENCE:.0f} s: {describe(error)}. Nothing is lost: the "
                "events wait in Pub/Sub. The server's log says more; 'prompt-worker verify' checks the schema."
            ) from None
