"""A worker as it is deployed: a process of its own, with settings in its environment and JSON lines on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import psutil

# Seconds, before a wait fails the test: starting alone takes ten on a machine that runs other tests beside it.
PATIENCE = 60.0


class WorkerProcess:
    """Runs until `terminate`, `kill` or the end of the context."""

    def __init__(self, environment: dict[str, str], *command: str, program: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [program, *(command or ("-m", "prompt_worker", "run", "executions"))],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            # pytest shows it beside the failure.
            print("".join(line for line in self._lines if '"event": "progress"' not in line))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All that it wrote, stdout and stderr."""
        return "".join(self._lines)

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self._lines) if line.startswith("{")]

    @property
    def totals(self) -> dict[str, int]:
        """Settled events by outcome, as it last reported them."""
        return next((entry["totals"] for entry in reversed(self.logs) if "totals" in entry), {})

    @property
    def rss(self) -> int:
        """Resident memory in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    @property
    def ending(self) -> dict[str, Any]:
        """Why it ended: its last line, of the kind that all its lines are."""
        assert [line for line in self._lines if not line.startswith("{")] == []
        return next((entry for entry in self.logs[-1:] if entry.get("event") == "ended"), {})

    def messages(self, *severities: str) -> list[str]:
        return [entry["message"] for entry in self.logs if not severities or entry["severity"] in severities]

    def wait_for(self, condition: Callable[[Self], object], seconds: float = PATIENCE) -> None:
        """Until `condition` holds; fails at once when the worker ends first."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert self.running, f"the worker ended with {self._process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.output}"
            time.sleep(0.02)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(seconds)
        self._reader.join()
        return code

    def terminate(self) -> tuple[int, float]:
        """SIGTERM, once it is up; the exit code and the seconds it took."""
        self.wait_for(lambda worker: worker.logs)
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self.wait(20)
        return code, time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL: no last word."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
