"""Pub/Sub that answers a pull late, as under load: a gRPC server before the emulator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from tests.support.refusing import UNLIMITED


class _Proxy(grpc.GenericRpcHandler):
    """Passes each call on as it is. The answer to the pull `number` comes `seconds` after its messages are leased."""

    def __init__(self, host: str, number: int, seconds: float) -> None:
        self._channel = grpc.insecure_channel(host, options=UNLIMITED)
        self._until_late = number
        self._seconds = seconds

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method: str = details.method
        call = self._channel.unary_unary(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            answered: bytes = call(request, timeout=context.time_remaining())
            if method.endswith("/Pull"):
                self._until_late -= 1
                if not self._until_late:
                    time.sleep(self._seconds)
            return answered

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def late_broker(host: str, number: int, seconds: float) -> Iterator[str]:
    """Its host: beside the emulator's own."""
    server = grpc.server(ThreadPoolExecutor(8), handlers=[_Proxy(host, number, seconds)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
