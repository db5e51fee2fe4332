"""Pub/Sub that knows what its caller may do, as the service does: a gRPC server before the emulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.iam.v1.iam_policy_pb2 import TestIamPermissionsRequest, TestIamPermissionsResponse
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import GetSubscriptionRequest, GetTopicRequest

# By full name of a topic or subscription: the permissions on it.
Granted = Mapping[str, Set[str]]

_READING = {
    "/google.pubsub.v1.Publisher/GetTopic": (GetTopicRequest, "topic", "pubsub.topics.get"),
    "/google.pubsub.v1.Subscriber/GetSubscription": (
        GetSubscriptionRequest, "subscription", "pubsub.subscriptions.get",
    ),
}  # fmt: skip


class _Proxy(grpc.GenericRpcHandler):
    """Answers what one account may do, refuses what it may not read, and passes all else on."""

    def __init__(self, host: str, granted: Granted) -> None:
        self._channel = grpc.insecure_channel(host)
        self._granted = granted

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method: str = details.method

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if method.endswith("/TestIamPermissions"):
                return self._test(TestIamPermissionsRequest.FromString(request))
            kind, name, permission = _READING[method]
            if permission not in self._granted.get(getattr(kind.deserialize(request), name), ()):
                context.abort(
                    grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action."
                )
            returned: bytes = self._channel.unary_unary(method)(request, timeout=context.time_remaining())
            return returned

        return grpc.unary_unary_rpc_method_handler(answer)

    def _test(self, request: TestIamPermissionsRequest) -> bytes:
        """As the service does it: what does not exist gives no permissions, and no error."""
        granted = self._granted.get(request.resource, ())
        permissions = [permission for permission in request.permissions if permission in granted]
        answer: bytes = TestIamPermissionsResponse(permissions=permissions).SerializeToString()
        return answer


@contextmanager
def asking_as(host: str, granted: Granted) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Clients of an account that may do this, before the emulator at `host`."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Proxy(host, granted)])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    publisher = PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(address)))
    subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=grpc.insecure_channel(address)))
    try:
        yield publisher, subscriber
    finally:
        server.stop(None)
