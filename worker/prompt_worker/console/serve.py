"""`prompt-worker console`: put together, announced, and stopped by a signal."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

from prompt_worker.console.access.identity import LocalIdentity
from prompt_worker.console.app import ENTRY, App
from prompt_worker.console.database import Database
from prompt_worker.console.rendering.assets import read_assets
from prompt_worker.console.rendering.links import link
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.process.signals import run_until_signal
from prompt_worker.platform.settings import DatabaseSettings, read
from prompt_worker.platform.web.server import Server

LOOPBACK = "127.0.0.1"
# Between checks of whether it was asked to end.
CHECK_SECONDS = 0.1
# For the last answers to be sent.
ANSWER_SECONDS = 3.0
CONNECTIONS = 200


def serve(port: int, who: str, announce: Callable[[str], None]) -> None:
    """Answers on this machine alone until a signal comes; `announce` gets the address to open.

    `port` 0 is any that is free. Raises `SettingsError`, `DeploymentError`.
    """
    url = read(DatabaseSettings).url
    with ExitStack() as opened:
        database = opened.enter_context(closing(Database(url)))
        listening = opened.enter_context(_listen(port))
        number = int(listening.getsockname()[1])
        identity = LocalIdentity(who, number)
        app = App(database, identity, [f"{LOOPBACK}:{number}", f"localhost:{number}"], read_assets())
        loop = asyncio.new_event_loop()
        server = Server(app, listening, loop, beside=_nothing, connections=CONNECTIONS)
        opened.callback(_close, loop, server)
        announce(f"http://{LOOPBACK}:{number}{link(ENTRY, key=identity.key)}")
        asked = threading.Event()
        run_until_signal(lambda: _run(server, asked), asked)
        if server.failure:
            raise server.failure


def _run(server: Server, asked: threading.Event) -> None:
    server.start()
    while server.is_alive() and not asked.wait(CHECK_SECONDS):
        pass
    server.end()
    server.join(ANSWER_SECONDS)


def _close(loop: asyncio.AbstractEventLoop, server: Server) -> None:
    # What waits for a frozen database, or for the rest of a form, ends with the process.
    if not server.is_alive():
        loop.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise DeploymentError(
            f"--port: cannot listen on port {port}: {error.strerror}. Choose another one, or 0 for any"
        ) from None


async def _nothing() -> None:
    pass
