"""A load of push requests, from a process of its own: `python -m tests.benchmarks.pusher` and a `Load` as JSON.

Prints `Answered` as JSON. Every request is made before the first one is sent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterable
from typing import cast

import msgspec
import uvloop

from prompt_worker.event.execution import encode
from tests.benchmarks.events import make
from tests.benchmarks.services import Database
from tests.support.pushing import EXECUTIONS, envelope

NO_CONTENT = b"HTTP/1.1 204"
END = b"\r\n\r\n"  # an answer of 204 has no body


class Load(msgspec.Struct):
    """`events` requests on `connections`; as fast as they are answered, or `rate` a second at an even pace."""

    port: int
    database_url: str
    authorization: str
    events: int
    connections: int
    rate: float | None = None


class Answered(msgspec.Struct):
    """`latencies` in milliseconds: from when a request was due to its answer."""

    seconds: float
    latencies: list[float]
    refused: int


class Connection(asyncio.Protocol):
    def __init__(self, pusher: Pusher) -> None:
        self._pusher = pusher
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._pusher.answered(self, self._due, ok=data.startswith(NO_CONTENT) and data.endswith(END))


class Pusher:
    def __init__(self, load: Load, requests: Iterable[bytes]) -> None:
        self._load = load
        # Due, and no connection is free.
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._idle: deque[Connection] = deque()
        self._requests = iter(requests)
        self._latencies: list[float] = []
        self._refused = 0
        self._done = asyncio.Event()

    async def push(self) -> Answered:
        loop = asyncio.get_running_loop()
        for _ in range(self._load.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._load.port
            )
            self._idle.append(connection)
        started = time.perf_counter()
        if self._load.rate is None:
            while self._idle and (request := next(self._requests, None)) is not None:
                self._idle.popleft().send(request, time.perf_counter())
        else:
            await self._pace(self._load.rate)
        await self._done.wait()
        return Answered(time.perf_counter() - started, self._latencies, self._refused)

    async def _pace(self, rate: float) -> None:
        start = time.perf_counter()
        for number, request in enumerate(self._requests):
            due = start + number / rate
            await asyncio.sleep(due - time.perf_counter())
            if self._idle:
                self._idle.popleft().send(request, due)
            else:
                self._waiting.append((request, due))

    def answered(self, connection: Connection, due: float, *, ok: bool) -> None:
        self._latencies.append((time.perf_counter() - due) * 1e3)
        self._refused += not ok
        if len(self._latencies) == self._load.events:
            self._done.set()
        elif self._waiting:
            connection.send(*self._waiting.popleft())
        elif self._load.rate is None and (request := next(self._requests, None)) is not None:
            connection.send(request, time.perf_counter())
        else:
            self._idle.append(connection)


def _request(load: Load, body: bytes) -> bytes:
    lines = [
        f"POST {EXECUTIONS} HTTP/1.1",
        "host: push.example.com",
        "content-type: application/json",
        "user-agent: APIs-Google; (+https://developers.google.com/webmasters/APIs-Google)",
        f"authorization: {load.authorization}",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    events = make(load.events, Database(load.database_url).templates())
    requests = [_request(load, envelope(encode(event), str(number))) for number, event in enumerate(events)]

    async def push() -> Answered:
        return await Pusher(load, requests).push()

    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(push())))


if __name__ == "__main__":
    main()
