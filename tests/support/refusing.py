"""Pub/Sub that refuses large messages, as the service does: a gRPC server before the emulator, which does not."""

from __future__ import annotations

from contextlib import AbstractContextManager

import grpc
from google.pubsub_v1.types import PublishRequest, PubsubMessage

from tests.support.broker_proxy import BrokerProxy


class _Proxy(BrokerProxy):
    """Refuses a publish with a message above `most` bytes, attributes included."""

    def __init__(self, host: str, most: int) -> None:
        super().__init__(host)
        self._most = most

    def answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method.endswith("/Publish") and self._is_too_large(request):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Request payload size exceeds the limit.")
        return super().answer(method, request, context)

    def _is_too_large(self, request: bytes) -> bool:
        messages = PublishRequest.deserialize(request).messages
        return any(PubsubMessage.pb(message).ByteSize() > self._most for message in messages)


def refusing_above(host: str, most: int) -> AbstractContextManager[str]:
    """The address of one before the emulator at `host` that refuses messages above `most` bytes."""
    return _Proxy(host, most).listening()
