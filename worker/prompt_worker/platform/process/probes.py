"""`/healthz` and `/readyz`: pages that an orchestrator asks for, and a small server of them for the pull workers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.process import health
from prompt_worker.platform.process.readiness import Readiness
from prompt_worker.platform.settings import ProbeSettings

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0  # a client that says nothing is let go


class Page(NamedTuple):
    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Page]]  # by path


def pages(settings: ProbeSettings, readiness: Readiness) -> Pages:
    """200 or 503, and why. The first asks no service: away or not, it answers at once."""

    def alive() -> Page:
        silent = health.silence()
        if silent <= settings.stuck_seconds:
            return Page(200, b"alive\n")
        log.error("a batch has been in hand for %.0f s without progress: restart this instance", silent)
        return Page(503, f"a batch has been in hand for {silent:.0f} s without progress\n".encode())

    def ready() -> Page:
        problem = readiness.problem()
        return Page(200, b"ready\n") if problem is None else Page(503, f"{problem}\n".encode())

    return {"/healthz": alive, "/readyz": ready}


@contextmanager
def serving(port: int | None, pages: Pages) -> Iterator[None]:
    """On every interface, in threads of their own; not at all without a port. Raises `DeploymentError`."""
    if port is None:
        yield
        return
    try:
        server = _Server(("", port), _handler(pages))
    except OSError as error:
        raise DeploymentError(
            f"PROMPT_WORKER_PROBE_PORT: port {port} cannot be had: {error.strerror}"
        ) from None
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        log.warning("a probe got no answer", exc_info=True)  # usually it went away


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
