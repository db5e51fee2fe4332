"""A worker as a child process, as it is deployed: settings in its environment, JSON lines on stderr."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

from prompt_worker.local.child_process import ChildProcess

PROGRESS_SECONDS = 0.2
STOP_SECONDS = 12.0


class WorkerProcess(ChildProcess):
    """Runs until `stop`. `totals` counts what it settled, by outcome; `report` is called with its warnings."""

    def __init__(self, consumer: str, report: Callable[[str], None]) -> None:
        self.consumer = consumer
        self.totals: Counter[str] = Counter()
        self._report = report
        self._last_lines: deque[str] = deque(maxlen=10)
        super().__init__(
            "run",
            consumer,
            stop_seconds=STOP_SECONDS,
            stderr=subprocess.PIPE,
            settings={
                "PROMPT_WORKER_LOG_FORMAT": "json",
                "PROMPT_WORKER_PROGRESS_SECONDS": str(PROGRESS_SECONDS),
            },
        )
        self._reader = threading.Thread(target=self._read, name="worker-log", daemon=True)
        self._reader.start()

    @property
    def failure(self) -> str | None:
        """Why it ended without `stop`; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._reader.join(1)
        last_lines = "\n".join(self._last_lines)
        return f"the {self.consumer} worker ended with exit code {code}. Its last lines:\n{last_lines}"

    @property
    def settled(self) -> int:
        """Messages that are done: written, duplicate, skipped or dead-lettered."""
        return self.totals.total() - self.totals["retry"]

    def _ended(self) -> None:
        self._reader.join(1)

    def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101
        for line in self._process.stderr:
            try:
                entry = json.loads(line)
                totals = entry.get("totals")
            except (ValueError, AttributeError):
                entry, totals = {"severity": "ERROR", "message": line.rstrip()}, None
            if totals is not None:
                self.totals = Counter(totals)
                continue
            self._last_lines.append(f"  {entry.get('message')}")
            if entry.get("severity") in ("WARNING", "ERROR", "CRITICAL"):
                # Where nobody can read it any more, the main thread notices.
                with suppress(OSError):
                    self._report(f"{self.consumer}: {entry.get('message')}")
