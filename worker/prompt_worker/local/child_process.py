"""A command of ours as a child process: it ends with this one, and not before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from prompt_worker.local.servers.lifeline import Lifeline


class ChildProcess:
    """`prompt-worker ARGUMENTS`, until `stop`, which kills it after so many seconds. Its output is text."""

    def __init__(
        self,
        *arguments: str,
        stop_seconds: float,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._stop_seconds = stop_seconds
        self._lifeline = Lifeline("TERM")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "prompt_worker", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            errors="replace",
            env=os.environ | (settings or {}),
            # Ctrl-C reaches it through us, in its turn.
            start_new_session=True,
        )
        self._lifeline.hold(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ended()
        self._lifeline.release()

    def _ended(self) -> None:
        """What else is to be done once it has."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
