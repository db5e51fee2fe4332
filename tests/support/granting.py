"""Pub/Sub that knows what its caller may do, as the service does: a gRPC server before the emulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager

import grpc
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.iam.v1.iam_policy_pb2 import TestIamPermissionsRequest, TestIamPermissionsResponse
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import GetSubscriptionRequest, GetTopicRequest

from tests.support.broker_proxy import BrokerProxy

# By full name of a topic or subscription: the permissions on it.
Granted = Mapping[str, Set[str]]

_READING = {
    "/google.pubsub.v1.Publisher/GetTopic": (GetTopicRequest, "topic", "pubsub.topics.get"),
    "/google.pubsub.v1.Subscriber/GetSubscription": (
        GetSubscriptionRequest, "subscription", "pubsub.subscriptions.get",
    ),
}  # fmt: skip


class _Proxy(BrokerProxy):
    """Answers what one account may do, refuses what it may not read, and passes all else on."""

    def __init__(self, host: str, granted: Granted) -> None:
        super().__init__(host)
        self._granted = granted

    def answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method.endswith("/TestIamPermissions"):
            return self._test(TestIamPermissionsRequest.FromString(request))
        kind, name, permission = _READING[method]
        if permission not in self._granted.get(getattr(kind.deserialize(request), name), ()):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action.")
        return super().answer(method, request, context)

    def _test(self, request: TestIamPermissionsRequest) -> bytes:
        """As the service does it: what does not exist gives no permissions, and no error."""
        granted = self._granted.get(request.resource, ())
        permissions = [permission for permission in request.permissions if permission in granted]
        answer: bytes = TestIamPermissionsResponse(permissions=permissions).SerializeToString()
        return answer


@contextmanager
def asking_as(host: str, granted: Granted) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    """Clients of an account that may do this, before the emulator at `host`."""
    with (
        _Proxy(host, granted).listening(4) as address,
        grpc.insecure_channel(address) as publishing,
        grpc.insecure_channel(address) as subscribing,
    ):
        yield (
            PublisherClient(transport=PublisherGrpcTransport(channel=publishing)),
            SubscriberClient(transport=SubscriberGrpcTransport(channel=subscribing)),
        )
