"""Pages for machines, and the one small server that answers them: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from prompt_worker.platform.failures import Failure

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0  # for a client to send its request


class Page(NamedTuple):
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]  # by path


class Port(NamedTuple):
    """Where pages are answered. Where that is impossible, `failure` is raised and names `setting`."""

    setting: str
    number: int | None
    pages: Pages
    failure: type[Failure]


@contextmanager
def serving(*ports: Port) -> Iterator[None]:
    """On every interface, in threads of their own. Ports with the same number share a server.

    A port without a number or without pages is not listened on. Raises the `failure` of a port that is taken.
    """
    servers: dict[int, dict[str, Callable[[], Page]]] = {}
    with ExitStack() as listening:
        for port in ports:
            if port.number is None or not port.pages:
                continue
            if port.number not in servers:
                servers[port.number] = {}
                listening.enter_context(_listening(port, servers[port.number]))
            servers[port.number].update(port.pages)
        yield


@contextmanager
def _listening(port: Port, pages: Pages) -> Iterator[None]:
    try:
        server = _Server(("", port.number or 0), _handler(pages))
    except OSError as error:
        raise port.failure(
            f"{port.setting}: cannot listen on port {port.number}: {error.strerror}. Choose another one"
        ) from None
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # Usually the client has gone.
        log.warning("a request for a page got no answer", exc_info=True)


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = make() if make else Page(404, b"no such page\n")
            self.send_response(page.status, HTTPStatus(page.status).phrase)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            log.debug(format, *args)

    return Handler
