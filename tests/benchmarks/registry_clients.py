"""Clients of the registry's endpoint in a process of their own: each holds a long poll, then fetches the document.

Reads a `Crowd` from standard input. Writes a line once all are held, and `Heard` once all have the document.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time

import msgspec

# Connections that are opened at once.
OPENING = 200
# After the news, as clients do.
SPREAD_SECONDS = 5.0


class Crowd(msgspec.Struct):
    port: int
    bearer: str
    clients: int
    # The revision that they have.
    after: str


class Heard(msgspec.Struct):
    """When each client heard of the change, and when it had the document; Unix seconds."""

    news: list[float]
    documents: list[float]
    bytes: int


class Client(asyncio.Protocol):
    """One connection; `answered` is set with when and how long the answer was, once it is whole."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[tuple[float, int]] = asyncio.get_running_loop().create_future()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length and not self.answered.done():
            if not head.startswith(b"HTTP/1.1 200"):
                self.answered.set_exception(ValueError(head.partition(b"\r\n")[0].decode()))
            else:
                self.answered.set_result((time.time(), length))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectionError("the connection was lost"))

    def ask(self, path: str, bearer: str) -> None:
        self.answered = asyncio.get_running_loop().create_future()
        self._received = b""
        lines = [
            f"GET {path} HTTP/1.1", "Host: registry.example.com", f"Authorization: {bearer}", "Accept-Encoding: gzip",
            "User-Agent: prompt-worker", "", "",
        ]  # fmt: skip
        self.transport.write("\r\n".join(lines).encode())  # type: ignore[attr-defined]


async def run(crowd: Crowd) -> Heard:
    loop = asyncio.get_running_loop()
    opening = asyncio.Semaphore(OPENING)

    async def connect() -> Client:
        async with opening:
            _, client = await loop.create_connection(Client, "127.0.0.1", crowd.port)
        client.ask(f"/v1/registry?after={crowd.after}&wait=60", crowd.bearer)
        return client

    clients = await asyncio.gather(*(connect() for _ in range(crowd.clients)))
    print("held", flush=True)
    news = await asyncio.gather(*(client.answered for client in clients))

    async def fetch(number: int, client: Client) -> tuple[float, int]:
        await asyncio.sleep(SPREAD_SECONDS * number / crowd.clients)
        client.ask("/v1/registry", crowd.bearer)
        return await client.answered

    documents = await asyncio.gather(*(fetch(*each) for each in enumerate(clients)))
    return Heard([at for at, _ in news], [at for at, _ in documents], sum(size for _, size in documents))


def main() -> None:
    crowd = msgspec.json.decode(sys.stdin.readline(), type=Crowd)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, crowd.clients + 100), hard))
    print(msgspec.json.encode(asyncio.run(run(crowd))).decode(), flush=True)


if __name__ == "__main__":
    main()
