"""The console as a child process, as somebody starts it beside a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cached_property
from types import TracebackType
from typing import Self

from prompt_worker.local import ServerError
from prompt_worker.local.servers.lifeline import Lifeline

STOP_SECONDS = 8.0


class ConsoleProcess:
    """Runs until `stop`, on any free port. It starts while others do: ask for its `address` when it is needed."""

    def __init__(self) -> None:
        self._lifeline = Lifeline("TERM")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "prompt_worker", "console", "--port", "0", "--log-level", "ERROR"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C reaches it through us, in its turn.
            start_new_session=True,
            env=os.environ,
        )
        self._lifeline.hold(self._process.pid)

    @cached_property
    def address(self) -> str:
        """Waits until it is there. Raises `ServerError`."""
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise ServerError("the console did not start: 'prompt-worker console' says why")
        return line.split()[-1]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._lifeline.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
