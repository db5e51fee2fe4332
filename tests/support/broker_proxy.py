"""A gRPC server before the emulator: passes calls on, and ends with its test, threads and all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class BrokerProxy(grpc.GenericRpcHandler):
    """Passes each call on as it is; what is different about one is said by its `answer`."""

    def __init__(self, host: str) -> None:
        self._channel = grpc.insecure_channel(host, options=UNLIMITED)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method: str = details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self.answer(method, request, context)
        )

    def answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        """What the emulator answers; its refusal is the proxy's too."""
        try:
            answered: bytes = self._channel.unary_unary(method)(
                request, timeout=context.time_remaining(), metadata=context.invocation_metadata()
            )
        except grpc.RpcError as error:
            # An exception that is not an answer would be logged, after the test perhaps.
            context.abort(error.code(), error.details())
        return answered

    @contextmanager
    def listening(self, threads: int = 16) -> Iterator[str]:
        """Its address, such as "127.0.0.1:20123"."""
        with ThreadPoolExecutor(threads) as pool:
            server = grpc.server(pool, handlers=[self], options=UNLIMITED)
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            try:
                yield f"127.0.0.1:{port}"
            finally:
                server.stop(None).wait()
                # What still waits for the emulator ends.
                self._channel.close()
