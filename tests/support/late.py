"""Pub/Sub that answers a pull late, as under load: a gRPC server before the emulator."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

import grpc

from tests.support.broker_proxy import BrokerProxy


class _Proxy(BrokerProxy):
    """The answer to the pull `number` comes `seconds` after its messages are leased."""

    def __init__(self, host: str, number: int, seconds: float) -> None:
        super().__init__(host)
        self._until_late = number
        self._seconds = seconds

    def answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        answered = super().answer(method, request, context)
        if method.endswith("/Pull"):
            self._until_late -= 1
            if not self._until_late:
                time.sleep(self._seconds)
        return answered


def late_broker(host: str, number: int, seconds: float) -> AbstractContextManager[str]:
    """Its host: beside the emulator's own."""
    return _Proxy(host, number, seconds).listening(8)
