"""A TCP proxy before a server, which can fall silent as a network does: nothing arrives, nothing is closed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """`silent`: what is open and what is opened gets no byte through. `opened` counts connections.

    `change` is what becomes of the bytes that a server sends.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.silent = False
        self.change: Callable[[bytes], bytes] = bytes
        self.opened = 0
        self._sockets: list[socket.socket] = []
        self._ended = False
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        # Wakes the thread that accepts, which nothing else does everywhere.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for each in self._threads[1:]:
            each.join()

    def cut(self) -> None:
        """Closes what is open."""
        while self._sockets:
            each = self._sockets.pop()
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._ended:
                client.close()
                return
            self.opened += 1
            try:
                server = socket.create_connection(self._target)
            except OSError:
                # It is down, and the client finds it so.
                client.close()
                continue
            self._sockets += [client, server]
            for ends in ((client, server, bytes), (server, client, self.change)):
                self._threads.append(threading.Thread(target=self._pump, args=ends))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                while self.silent and not self._ended:
                    time.sleep(0.01)
                target.sendall(change(data))
            target.shutdown(socket.SHUT_WR)
