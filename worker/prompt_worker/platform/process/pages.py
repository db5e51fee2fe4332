"""Pages for machines, and the one small server that answers them: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

import logging
import sys
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


class Listener(NamedTuple):
    """A port where pages are answered. When it is taken, `failure` is raised and names `setting`."""

    setting: str
    port: int | None
    pages: Pages
    failure: type[Failure]


@contextmanager
def serving(*listeners: Listener) -> Iterator[None]:
    """Answers on every interface, in threads of their own. Listeners with the same port share a server.

    One without a port or without pages is left out. Raises the `failure` of a listener whose port is taken.
    """
    answered: dict[int, dict[str, Callable[[], Page]]] = {}
    with ExitStack() as servers:
        for listener in listeners:
            if listener.port is None or not listener.pages:
                continue
            if listener.port not in answered:
                answered[listener.port] = {}
                servers.enter_context(_server(listener.port, answered[listener.port], listener))
            answered[listener.port].update(listener.pages)
        yield


@contextmanager
def _server(port: int, pages: Pages, listener: Listener) -> Iterator[None]:
    try:
        server = _Server(("", port), _handler(pages))
    except OSError as error:
        raise listener.failure(
            f"{listener.setting}: cannot listen on port {port}: {error.strerror}. Choose another one"
        ) from None
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # A scraper that did not wait is no error of ours, and says nothing by its traceback.
        is_gone = isinstance(sys.exc_info()[1], ConnectionError)
        log.warning("a request for a page got no answer", exc_info=not is_gone)


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class PageHandler(BaseHTTPRequestHandler):
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

    return PageHandler
