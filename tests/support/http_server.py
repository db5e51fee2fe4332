"""HTTP servers of tests: none prints what a client that left did to it, and none outlives its test."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class HttpServer(ThreadingHTTPServer):
    """Listens on a free port of this machine, and serves from `with` until its end.

    Then its clients are disconnected and every thread of it is joined. A client that leaves is nobody's failure; what
    else a handler raises is raised at the end of `with`, so that the test fails by it.
    """

    # Joined by `server_close`, where daemons would be left running.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._clients: set[socket.socket] = set()
        self._failures: list[BaseException] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))

    @property
    def host(self) -> str:
        """Such as "127.0.0.1:20123"."""
        return f"127.0.0.1:{self.server_port}"

    @property
    def address(self) -> str:
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        for client in list(self._clients):
            # Its handler writes to it, or waits for more of a request.
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.server_close()
        if self._failures and error is None:
            raise self._failures[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Instead of a traceback on standard error, where a test may be reading."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self._failures.append(error)


class Handler(BaseHTTPRequestHandler):
    """Answers by `get` and `post`, and logs nothing."""

    def do_GET(self) -> None:
        self.get()

    def do_POST(self) -> None:
        self.post()

    def get(self) -> None:
        self.reply(b"", 405)

    def post(self) -> None:
        self.reply(b"", 405)

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server's
        pass
