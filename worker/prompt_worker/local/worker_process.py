"""A worker as a child process, as it is deployed: settings in its environment, JSON lines on stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from prompt_worker.local.servers.lifeline import Lifeline

PROGRESS_SECONDS = 0.2
STOP_SECONDS = 12.0


class WorkerProcess:
    """Runs until `stop`. `totals` counts what it settled, by outcome; `report` is called with its warnings."""

    def __init__(self, consumer: str, report: Callable[[str], None]) -> None:
        self.consumer = consumer
        self.totals: Counter[str] = Counter()
        self._report = report
        self._last_lines: deque[str] = deque(maxlen=10)
        self._lifeline = Lifeline("TERM")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "prompt_worker", "run", consumer],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=os.environ
            | {"PROMPT_WORKER_LOG_FORMAT": "json", "PROMPT_WORKER_PROGRESS_SECONDS": str(PROGRESS_SECONDS)},
            # Ctrl-C reaches it through us, in its turn.
            start_new_session=True,
        )
        self._lifeline.hold(self._process.pid)
        self._reader = threading.Thread(target=self._read, name="worker-log", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

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

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(1)
        self._lifeline.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
