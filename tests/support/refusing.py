"""Pub/Sub that refuses large messages, as the service does: a gRPC server before the emulator, which does not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.pubsub_v1.types import PublishRequest, PubsubMessage

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class _Proxy(grpc.GenericRpcHandler):
    """Passes each call on as it is, but for a publish with a message above `most` bytes, attributes included."""

    def __init__(self, host: str, most: int) -> None:
        self._channel = grpc.insecure_channel(host, options=UNLIMITED)
        self._most = most

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method: str = details.method
        call = self._channel.unary_unary(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if method.endswith("/Publish") and self._is_too_large(request):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Request payload size exceeds the limit.")
            try:
                returned: bytes = call(
                    request, timeout=context.time_remaining(), metadata=context.invocation_metadata()
                )
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
            return returned

        return grpc.unary_unary_rpc_method_handler(answer)

    def _is_too_large(self, request: bytes) -> bool:
        messages = PublishRequest.deserialize(request).messages
        return any(PubsubMessage.pb(message).ByteSize() > self._most for message in messages)


@contextmanager
def refusing_above(host: str, most: int) -> Iterator[str]:
    """The address of one before the emulator at `host` that refuses messages above `most` bytes."""
    server = grpc.server(ThreadPoolExecutor(16), handlers=[_Proxy(host, most)], options=UNLIMITED)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)
