"""A server of ours: a child process on a free port of 127.0.0.1, ready when it answers."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Self

from prompt_worker.local import ServerError
from prompt_worker.local.servers.account import Account, temporary_home
from prompt_worker.local.servers.lifeline import Lifeline

LOOPBACK = "127.0.0.1"
PORT_TAKEN = "Address already in use"


class PortTakenError(ServerError):
    """Another program took the port between our check and the server's start."""


def free_port() -> int:
    """A port free at this moment, below those that the kernel gives to outgoing connections."""
    while True:
        port = random.randint(15_000, 32_000)  # noqa: S311
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port


class Server(ABC):
    """Start, stop and start again on the same port; `close` (or leaving the context) removes `home`.

    `home` is a temporary directory owned by the account that the server runs as; `log` is in it.
    """

    name: ClassVar[str]
    end_signal: ClassVar[str]
    start_seconds: ClassVar[float] = 60.0
    stop_seconds: ClassVar[float] = 30.0

    def __init__(self, account: Account | None = None) -> None:
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: Lifeline | None = None
        self._home: Path | None = None
        self._port: int | None = None

    @abstractmethod
    def _prepare(self) -> None:
        """Before the first start: find programs, make directories."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a real request is answered; called until it is."""

    @property
    def port(self) -> int:
        if self._port is None:
            raise ServerError(f"{self.name} has not been started")
        return self._port

    @property
    def home(self) -> Path:
        if self._home is None:
            raise ServerError(f"{self.name} has not been started")
        return self._home

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until the server answers. Raises `ServerError`."""
        if self.running:
            return self
        if self._home is None:
            self._make_home()
        # A restart keeps its port: clients know it.
        known = self._port
        for _ in range(10):
            self._port = known or free_port()
            try:
                self._launch()
            except PortTakenError:
                time.sleep(0.3 if known else 0)
            else:
                return self
        raise PortTakenError(
            f"{self.name}: port {self._port} is taken by another program; end it, or start again"
        )

    def stop(self) -> None:
        """Stop the server; its data stays until `close`."""
        self._end(getattr(signal, f"SIG{self.end_signal}"))

    def close(self) -> None:
        """Stop, and remove what was temporary."""
        self.stop()
        if self._lifeline is not None:
            self._lifeline.release()
            self._lifeline = None
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_home(self) -> None:
        self._home = temporary_home(self._account)
        self._lifeline = Lifeline(self.end_signal, self._home)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _launch(self) -> None:
        command = self._command(self.port)
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal reaches it only through us.
            self._process = subprocess.Popen(
                self._account.command(*command) if self._account else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
                start_new_session=True,
            )
        assert self._lifeline is not None  # noqa: S101
        self._lifeline.hold(self._process.pid)
        try:
            self._wait_until(self._answers)
        except BaseException:
            self._end(signal.SIGKILL)
            raise

    def _wait_until(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not answers():
            # The emulator then keeps running and does nothing.
            if PORT_TAKEN in self.log.read_text(errors="replace"):
                raise PortTakenError(self.name)
            if not self.running:
                raise ServerError(f"{self.name} ended while starting. {self._log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.name} did not answer in {self.start_seconds:.0f} s. {self._log_tail()}"
                )
            time.sleep(0.03)

    def _end(self, with_signal: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._lifeline is not None:
            self._lifeline.hold(0)

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "Its log ends:\n" + "\n".join(f"  {line}" for line in lines) if lines else "Its log is empty."
