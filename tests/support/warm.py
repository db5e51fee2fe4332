"""Python programs as processes of their own that start in hundredths of a second: forks of one that has imported much.

A fork is a process with its own id, signals, files, environment and end; what it does not do is to compile and import.
What is about that, or about memory, starts a fresh interpreter instead.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.support.documents import REPOSITORY

# It imports, and forks when asked to; the fork becomes the program that is asked for.
PROGRAM = Path(__file__).with_name("warm_program.py")
# Numbers in what is said between the two.
_BYTES = 8


class WarmProcess:
    """As a `subprocess.Popen` of `python ARGUMENTS`, where ARGUMENTS begin with `-c` or `-m`.

    A stream is a descriptor, of which it gets a copy, or `subprocess.PIPE`, a pipe of text; None closes it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        self.returncode: int | None = None
        self._ending = threading.Lock()
        self._end, status = os.pipe()
        # Not before: another thread may be waiting for it.
        weakref.finalize(self, os.close, self._end)
        closing = [status]
        self.stdin: Any = None
        if stdin == subprocess.PIPE:
            stdin, writing = os.pipe()
            self.stdin = open(writing, "w", encoding="utf-8")  # noqa: SIM115
            closing.append(stdin)
        opened = [_reading(closing) if each == subprocess.PIPE else (None, each) for each in (stdout, stderr)]
        (self.stdout, stdout), (self.stderr, stderr) = opened
        given = [stdin, stdout, stderr]
        question = {
            "arguments": list(arguments),
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or Path.cwd()),
            "open": [each is not None for each in given],
        }
        try:
            self.pid = _server().start(question, [status, *(each for each in given if each is not None)])
        finally:
            for each in closing:
                os.close(each)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """As of a Popen: waits for its end."""
        for each in (self.stdin, self.stdout, self.stderr):
            if each is not None:
                each.close()
        self.wait()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote on its standard output and error until its end."""
        if self.stdin is not None:
            self.stdin.close()
        with ThreadPoolExecutor(2) as pool:
            said = [pool.submit(each.read) if each else None for each in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            out, err = (each.result() if each else "" for each in said)
        return out, err

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], timeout)[0]:
            with self._ending:
                if self.returncode is None:
                    said = os.read(self._end, _BYTES)
                    # Nothing is said where the process that forks was killed.
                    self.returncode = int.from_bytes(said, signed=True) if said else -signal.SIGKILL
        return self.returncode


def _reading(closing: list[int]) -> tuple[Any, int]:
    """The two ends of a pipe."""
    reading, writing = os.pipe()
    closing.append(writing)
    return open(reading, encoding="utf-8"), writing


class _Server:
    """The process that forks."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        self._lock = threading.Lock()
        self._socket = ours
        with its:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(its.fileno())],
                pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=REPOSITORY,
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            )

    def start(self, question: Mapping[str, object], descriptors: Sequence[int]) -> int:
        """The process id of a fork."""
        said = json.dumps(question).encode()
        with self._lock:
            socket.send_fds(self._socket, [len(said).to_bytes(_BYTES)], list(descriptors))
            self._socket.sendall(said)
            return int.from_bytes(self._socket.recv(_BYTES, socket.MSG_WAITALL))

    def close(self) -> None:
        """It ends what it started and itself."""
        self._socket.close()
        self._process.wait(30)


@cache
def _server() -> _Server:
    made = _Server()
    atexit.register(made.close)
    return made
