"""The console as a child process, as somebody starts it beside a worker."""

from __future__ import annotations

import subprocess
from functools import cached_property

from prompt_worker.local import ServerError
from prompt_worker.local.child_process import ChildProcess

STOP_SECONDS = 8.0


class ConsoleProcess(ChildProcess):
    """On any free port. It starts while others do: ask for its `address` when it is needed."""

    def __init__(self) -> None:
        arguments = ("console", "--port", "0", "--log-level", "ERROR")
        super().__init__(*arguments, stop_seconds=STOP_SECONDS, stdout=subprocess.PIPE)

    @cached_property
    def address(self) -> str:
        """Waits until it is there. Raises `ServerError`."""
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise ServerError("the console did not start: 'prompt-worker console' says why")
        return str(line.split()[-1])

    def _ended(self) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()
