"""Workers as processes of their own that start in a tenth of a second: forks of one that has imported all they need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.worker_process import PATIENCE

# Its first process imports and forks; each fork becomes `prompt-worker` with arguments, files and settings of its own.
PROGRAM = """
import io, json, os, sys
import prompt_worker.consuming.pull.run, prompt_worker.consuming.push.serve, prompt_worker.deadletters.store
import prompt_worker.executions.writer, prompt_worker.experiments.evaluator
import prompt_worker.guardrails.recording.handler
from prompt_worker.commands.cli import main

while line := sys.stdin.readline():
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    if child := os.fork():
        print(child, flush=True)
        continue
    for descriptor, path in enumerate(asked["files"]):
        if path == "closed pipe":
            reading, opened = os.pipe()
            os.close(reading)
        else:
            opened = os.open(path or os.devnull, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0) if asked["files"][0] else os.close(0)
    sys.stdout = open(1, "w", encoding=asked["encoding"])
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", 0), asked["encoding"], errors="backslashreplace", write_through=True
    )
    for name, value in asked["settings"].items():
        os.environ[name] = value
    sys.exit(main(asked["arguments"]))
"""


@dataclass
class Forked:
    """A worker; `said` is what it wrote on standard error, and `code` its exit code once it has ended."""

    name: str
    pid: int
    path: Path
    forks: Forks
    code: int | None = None

    @property
    def said(self) -> str:
        return self.path.read_text()

    @property
    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said.splitlines()]

    def wait(self) -> int:
        """Its exit code; it is killed after `PATIENCE` seconds."""
        impatience = threading.Timer(PATIENCE, os.kill, (self.pid, signal.SIGKILL))
        impatience.start()
        self.code = self.forks.ask({"wait": self.pid})
        impatience.cancel()
        return self.code

    def terminate(self, condition: Callable[[Self], object]) -> None:
        """SIGTERM, once the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGTERM)


class Forks:
    """Starts workers that write to files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Forked] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for started in self._started:
            if started.code is None:
                os.kill(started.pid, signal.SIGKILL)
                started.code = -signal.SIGKILL
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

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
        pid = self.ask(
            {
                "arguments": list(arguments),
                "settings": dict(settings),
                "files": [stdin, stdout, stderr or str(path)],
                "encoding": encoding,
            }
        )
        self._started.append(Forked(name, pid, path, self))
        return self._started[-1]

    def ask(self, question: Mapping[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())
