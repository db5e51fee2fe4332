"""Workers with streams of any kind: files, closed pipes, or none."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.warm import WarmProcess
from tests.support.worker_process import PATIENCE


@dataclass
class Forked:
    """A worker; `said` is what it wrote on standard error, and `code` its exit code once it has ended."""

    name: str
    process: WarmProcess
    path: Path
    code: int | None = None

    @property
    def said(self) -> str:
        return self.path.read_text()

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said.splitlines()]

    def wait(self) -> int:
        """Its exit code; it is killed after `PATIENCE` seconds."""
        impatience = threading.Timer(PATIENCE, self.process.kill)
        impatience.start()
        self.code = self.process.wait()
        impatience.cancel()
        return self.code

    def terminate(self, condition: Callable[[Self], object]) -> None:
        """SIGTERM, once the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.process.send_signal(signal.SIGTERM)


class Forks:
    """Starts workers that write to files in `folder`; those that have not ended are killed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Forked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for started in self._started:
            started.process.kill()
            started.code = started.process.wait()

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Mapping[str, str],
        *,
        stdin: str = os.devnull,
        stdout: str = os.devnull,
        stderr: str = "",
        encoding: str = "utf-8",
    ) -> Forked:
        """`prompt-worker ARGUMENTS`; a stream is a path or `closed pipe`, and a closed standard input is empty."""
        path = self._folder / f"{len(self._started)}.log"
        path.touch()
        with ExitStack() as files:
            streams = [
                _opened(each, files) if each else None for each in (stdin, stdout, stderr or str(path))
            ]
            process = WarmProcess(
                ["-m", "prompt_worker", *arguments],
                env=os.environ | settings | {"PYTHONIOENCODING": encoding},
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
            )
        self._started.append(Forked(name, process, path))
        return self._started[-1]


def _opened(path: str, files: ExitStack) -> int:
    if path == "closed pipe":
        reading, opened = os.pipe()
        os.close(reading)
    else:
        opened = os.open(path, os.O_RDWR | os.O_APPEND)
    files.callback(os.close, opened)
    return opened
