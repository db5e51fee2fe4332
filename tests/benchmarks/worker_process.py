"""The worker as an operator runs it: a child process, watched from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import psutil

from tests.benchmarks import cpu
from tests.support.peak_memory import peak

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
QUIET_SECONDS = 0.3
QUIET_CPU = 0.02


class ChildProcess:
    """`command` under this Python with `environment` added; its output goes to a log that `lines_with` reads."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", *command]
        self._environment = os.environ | environment
        self._folder = TemporaryDirectory(prefix="bench-")
        self.log = Path(self._folder.name) / "log"

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        self.system = psutil.Process(self._process.pid)
        return self

    def wait_until_idle(self) -> None:
        """Started up: it has used CPU, and now uses next to none, since nothing waits for it."""
        deadline = time.monotonic() + READY_SECONDS
        quiet = 0
        before = 0.0
        while quiet < 3:
            time.sleep(QUIET_SECONDS)
            self.check()
            used = self.cpu()
            quiet = quiet + 1 if before > 0.2 and used - before < QUIET_CPU else 0
            before = used
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._command} is not idle after {READY_SECONDS:.0f} s")

    def check(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._command} ended: {self.log.read_text(errors='replace')[-2000:]}")

    def cpu(self) -> float:
        return cpu.of_process(self._process.pid)

    def memory(self) -> int:
        """Resident bytes."""
        return int(self.system.memory_info().rss)

    def peak(self) -> int:
        """Resident bytes at most, until now."""
        return peak(self._process.pid)

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def forget(self) -> None:
        self._folder.cleanup()


def worker(database_url: str, project: str, consumer: str = "executions", **settings: str) -> ChildProcess:
    """`prompt-worker run CONSUMER`."""
    environment = {"DATABASE_URL": database_url, "PUBSUB_PROJECT_ID": project, **settings}
    return ChildProcess(["prompt_worker", "run", consumer], environment)
