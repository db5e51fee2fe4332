"""The HTTP server, on an event loop and a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn

from prompt_worker.consuming.push.app import App

# Seconds; longer than the 600 of Google's front ends, so that they close idle connections first.
KEEP_ALIVE = 620


class Server(threading.Thread):
    """Serves `app` on a listening socket until `end`; `failure` is the error that ended it, if any."""

    def __init__(self, app: App, listening: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="server", daemon=True)
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._server = uvicorn.Server(config)
        self._app = app
        self._listening = listening
        self._loop = loop
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self.failure = error

    async def _serve(self) -> None:
        checking = asyncio.create_task(self._app.give_up_overdue())
        await self._server.serve([self._listening])
        checking.cancel()

    def end(self) -> None:
        """Stops accepting connections; each open one ends with the answer it waits for. Call it from any thread."""
        self._server.should_exit = True
