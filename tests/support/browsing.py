"""A browser as far as a server sees it: the console on a port of its own, and requests with a session's cookie."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from prompt_worker.console.access.identity import LocalIdentity
from prompt_worker.console.app import App
from prompt_worker.console.database import Database
from prompt_worker.console.rendering.assets import read_assets
from prompt_worker.platform.web.server import Server


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def location(self) -> str:
        return self.headers.get("location", "")


class Browser:
    """`headers` are sent with each request, where a request names no other."""

    def __init__(self, database: str, port: int, identity: LocalIdentity) -> None:
        self.database = database
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.identity = identity
        session = identity.session(identity.key)
        self.headers = {"Host": self.host, "Cookie": f"{identity.cookie}={session}"}

    def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.send("GET", _address(path, query), headers=headers)

    def post(
        self,
        path: str,
        form: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """A form of the console's own page."""
        own = {
            "Origin": f"http://{self.host}",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.send("POST", _address(path, query), urlencode(form or {}), {**own, **(headers or {})})

    def send(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A header that is empty is not sent."""
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, text)


def _address(path: str, query: Mapping[str, Any]) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


@contextmanager
def browsing(database: str, who: str = "somebody") -> Iterator[Browser]:
    """The console on a database, and somebody with a session."""
    with closing(Database(database)) as opened, closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = int(listening.getsockname()[1])
        identity = LocalIdentity(who, port)
        app = App(opened, identity, [f"127.0.0.1:{port}"], read_assets())
        loop = asyncio.new_event_loop()
        server = Server(app, listening, loop, beside=_nothing)
        server.start()
        try:
            yield Browser(database, port, identity)
        finally:
            server.end()
            server.join(10)
            loop.close()


async def _nothing() -> None:
    pass
