"""A backlog on the emulator that can be drained again and again.

It is published once; a snapshot holds it, and a seek makes all of it wait again at one moment. So publishing is never
in a measurement, every run drains the same messages, and a consumer can be started, and be idle, before they come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, repeat
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import AcknowledgeRequest, PubsubMessage, PullRequest, PullResponse

from prompt_worker.event.execution import EVENT_TYPE
from prompt_worker.platform.pubsub.topology import Names, Topology

REQUEST_MESSAGES = 1000
OPEN_PULLS = 4
# The emulator answers a pull with at most 100.
TAIL_MESSAGES = 800
PULL_TIMEOUT = 10.0
ACK_IDS = 2000
SEEK_TIMEOUT = 300.0

_PullRequest: Any = type(PullRequest.pb(PullRequest()))
_PullResponse: Any = type(PullResponse.pb(PullResponse()))
_AcknowledgeRequest: Any = type(AcknowledgeRequest.pb(AcknowledgeRequest()))


def message(body: bytes, attributes: Mapping[str, str] = MappingProxyType({})) -> PubsubMessage:
    return PubsubMessage(data=body, attributes={"ce-specversion": "1.0", "ce-type": EVENT_TYPE, **attributes})


def clients(channel: grpc.Channel) -> tuple[PublisherClient, SubscriberClient]:
    return (
        PublisherClient(transport=PublisherGrpcTransport(channel=channel)),
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)),
    )


class Puller:
    """Bare unary pulls and acknowledgements: what a consumer that does nothing else needs."""

    def __init__(self, channel: grpc.Channel, subscription: str) -> None:
        self._pull = _method(channel, "Pull", _PullResponse)
        self._acknowledge = _method(channel, "Acknowledge", Empty)
        self._subscription = subscription
        self._request = _PullRequest(subscription=subscription, max_messages=REQUEST_MESSAGES)

    def pull(self, timeout: float) -> Any:
        """A call; the `received_messages` of its result."""
        return self._pull.future(self._request, timeout=timeout)

    def acknowledge(self, ack_ids: list[str]) -> None:
        self._acknowledge(_AcknowledgeRequest(subscription=self._subscription, ack_ids=ack_ids), timeout=10.0)


class Backlog:
    """A project of its own with the subscriptions of the consumers named, as `prompt-worker topics` makes them."""

    def __init__(self, emulator_host: str, consumers: Sequence[str] = ("writer",)) -> None:
        self.topology = Topology(f"bench-{uuid4().hex[:12]}", Names(), emulated=True)
        self._subscriptions = [
            self.topology.subscription_path(getattr(self.topology.names, consumer)) for consumer in consumers
        ]
        self.subscription = self._subscriptions[0]
        self._channel = grpc.insecure_channel(emulator_host)
        self._publisher, self._subscriber = clients(self._channel)
        for topic in self.topology.topics():
            self._publisher.create_topic(request=topic)
        # These alone: another subscription would keep every message too.
        for subscription in self.topology.subscriptions():
            if subscription.name in self._subscriptions:
                self.topic = subscription.topic
                self._subscriber.create_subscription(request=subscription)
        self._snapshots = [
            f"projects/{self.topology.project}/snapshots/backlog-{consumer}" for consumer in consumers
        ]
        self.size = 0

    def publish(
        self, bodies: Iterable[bytes], attributes: Iterable[Mapping[str, str]] = repeat(MappingProxyType({}))
    ) -> None:
        """Once; afterwards nothing waits until `refill`. `attributes` beside those of every event, by message."""
        for name, subscription in zip(self._snapshots, self._subscriptions, strict=True):
            self._subscriber.create_snapshot(name=name, subscription=subscription)
        remaining = map(message, bodies, attributes)
        while chunk := list(islice(remaining, REQUEST_MESSAGES)):
            self._publisher.publish(topic=self.topic, messages=chunk)
            self.size += len(chunk)
        self.clear()

    def refill(self) -> None:
        """All of it waits again, at once."""
        for name, subscription in zip(self._snapshots, self._subscriptions, strict=True):
            self._subscriber.seek(
                request={"subscription": subscription, "snapshot": name}, timeout=SEEK_TIMEOUT
            )

    def clear(self) -> None:
        """Nothing waits."""
        later = datetime.now(UTC) + timedelta(hours=1)
        for subscription in self._subscriptions:
            self._subscriber.seek(request={"subscription": subscription, "time": later}, timeout=SEEK_TIMEOUT)

    def pull_and_acknowledge(self) -> None:
        """Drains it with a consumer that does nothing else: what the broker itself can deliver.

        No pull stays open at the end, which would receive messages of the next run: the last ones are one at a time.
        """
        puller = Puller(self._channel, self.subscription)
        open_pulls: deque[Any] = deque()
        received, ack_ids = 0, []
        while received < self.size:
            while not open_pulls or (len(open_pulls) < OPEN_PULLS and received + TAIL_MESSAGES < self.size):
                open_pulls.append(puller.pull(timeout=PULL_TIMEOUT))
            messages = open_pulls.popleft().result().received_messages
            received += len(messages)
            ack_ids += [message.ack_id for message in messages]
            if len(ack_ids) >= ACK_IDS or received >= self.size:
                puller.acknowledge(ack_ids)
                ack_ids = []

    def delete(self) -> None:
        """Lets the emulator forget it: it keeps everything in memory."""
        for name, subscription in zip(self._snapshots, self._subscriptions, strict=True):
            self._subscriber.delete_snapshot(snapshot=name)
            self._subscriber.delete_subscription(subscription=subscription)
        self._publisher.delete_topic(topic=self.topic)
        self._channel.close()


def _method(channel: Any, name: str, answer: Any) -> Any:
    return channel.unary_unary(
        f"/google.pubsub.v1.Subscriber/{name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=answer.FromString,
    )
