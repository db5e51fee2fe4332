"""The HTTP server, on an event loop and a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import uvicorn

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.web.answers import Receive, Scope, Send
from prompt_worker.platform.web.protocol import BoundedProtocol

# Connections that wait to be accepted.
BACKLOG = 2048
# Seconds; longer than the 600 of Google's front ends, so that they close idle connections first.
KEEP_ALIVE = 620

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Server(threading.Thread):
    """Serves `app` on a listening socket until `end`; `failure` is the error that ended it, if any.

    `beside` runs on the same loop meanwhile. More than `connections` are answered 503.
    """

    def __init__(
        self,
        app: App,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        beside: Callable[[], Coroutine[Any, Any, None]],
        connections: int | None = None,
    ) -> None:
        super().__init__(name="server", daemon=True)
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            limit_concurrency=connections,
        )
        self._server = uvicorn.Server(config)
        self._beside = beside
        self._listening = listening
        self._loop = loop
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self.failure = error

    async def _serve(self) -> None:
        beside = asyncio.create_task(self._beside())
        await self._server.serve([self._listening])
        beside.cancel()

    def end(self) -> None:
        """Stops accepting connections; each open one ends with the answer it waits for. Call it from any thread."""
        self._server.should_exit = True


def listen(port: int) -> socket.socket:
    """Raises `DeploymentError` when the port is taken."""
    try:
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - as Cloud Run asks
    except OSError as error:
        raise DeploymentError(
            f"PORT: cannot listen on port {port}: {error.strerror}. Choose another one"
        ) from None
