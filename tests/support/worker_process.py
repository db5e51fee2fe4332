"""A worker as it is deployed: a process of its own, with settings in its environment and JSON lines on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.peak_memory import peak
from tests.support.timing import starved
from tests.support.warm import WarmProcess

# Seconds, before a wait fails the test: starting alone takes ten on a machine that runs other tests beside it.
PATIENCE = 60.0


class WorkerProcess:
    """Runs until `terminate`, `kill` or the end of the context."""

    def __init__(
        self,
        environment: dict[str, str],
        *command: str,
        program: str = sys.executable,
        warm: bool = False,
    ) -> None:
        """`warm`: a fork of a Python that has imported what it needs, and not a new one."""
        given = {**os.environ, **environment}
        arguments = command or ("-m", "prompt_worker", "run", "executions")
        reading, writing = os.pipe()
        try:
            self._process = _start(program, arguments, given, writing, warm=warm)
        finally:
            os.close(writing)
        self._output = open(reading, encoding="utf-8")  # noqa: SIM115 - its thread closes it
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

    @property
    def peak(self) -> int:
        """The most resident bytes that it has had until now."""
        return peak(self.pid)

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
        """SIGTERM, once it is up; the exit code, and the seconds it took, less those in which it had no core."""
        self.wait_for(lambda worker: worker.logs)
        before = waited = starved(self.pid)
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        while self.running and time.monotonic() - started < PATIENCE:
            waited = max(waited, starved(self.pid))
            time.sleep(0.02)
        return self.wait(1), time.monotonic() - started - (waited - before)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        with self._output:
            for line in self._output:
                self._lines.append(line)


def _start(
    program: str, arguments: Sequence[str], environment: dict[str, str], output: int, *, warm: bool
) -> WarmProcess | subprocess.Popen[bytes]:
    with open(os.devnull) as nothing:
        if warm:
            return WarmProcess(
                arguments, env=environment, stdin=nothing.fileno(), stdout=output, stderr=output
            )
        return subprocess.Popen(
            [program, *arguments], env=environment, stdin=nothing, stdout=output, stderr=output
        )
