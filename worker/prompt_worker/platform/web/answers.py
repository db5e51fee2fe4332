"""An HTTP response, and the ASGI types around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

AsgiEvent = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiEvent]]
Send = Callable[[AsgiEvent], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

# Statuses whose answers have no body, nor a length of one.
_WITHOUT_BODY = (204, 304)


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        length = () if self.status in _WITHOUT_BODY else ((b"content-length", b"%d" % len(self.body)),)
        headers = (*self.headers, *length)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
