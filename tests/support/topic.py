"""A topic with a subscription for one test, to see what a publisher really published."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import PublisherClient, SchemaServiceClient, SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import Encoding, Schema

from prompt_worker.event.execution import ExecutionEvent

RETENTION = timedelta(hours=1)


class Topic:
    def __init__(self, project: str, name: str = "prompt-executions") -> None:
        self.project = project
        # The library's own channel to an emulator accepts answers of 4 MB at most.
        channel = grpc.insecure_channel(
            os.environ["PUBSUB_EMULATOR_HOST"], options=[("grpc.max_receive_message_length", -1)]
        )
        self._publisher = PublisherClient()
        self._subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self.path = self._publisher.topic_path(project, name)
        self._subscription = self._subscriber.subscription_path(project, f"{name}-test")

    def create(self, schema: str | None = None) -> Topic:
        """With an Avro schema that it holds messages to, if one is given."""
        request: dict[str, Any] = {"name": self.path, "message_retention_duration": RETENTION}
        if schema is not None:
            parent = f"projects/{self.project}"
            made = SchemaServiceClient().create_schema(
                parent=parent,
                schema={"type_": Schema.Type.AVRO, "definition": schema},
                schema_id="other-events",
            )
            request["schema_settings"] = {"schema": made.name, "encoding": Encoding.JSON}
        self._publisher.create_topic(request=request)
        self._subscriber.create_subscription(name=self._subscription, topic=self.path)
        # A publisher may have been faster than the subscription: back to before it.
        self._subscriber.seek(
            request={"subscription": self._subscription, "time": datetime.now(UTC) - RETENTION / 2}
        )
        return self

    def delete(self) -> None:
        self._subscriber.delete_subscription(subscription=self._subscription)
        self._publisher.delete_topic(topic=self.path)

    def receive(self, count: int, timeout: float = 20.0) -> list[Any]:
        """Pulls and acknowledges at least `count` messages, and those that come with them."""
        messages: list[Any] = []
        deadline = time.monotonic() + timeout
        while len(messages) < count and time.monotonic() < deadline:
            messages += self._pull(2.0)
        return messages + self._pull(0.2)

    def receive_bodies(self, count: int, timeout: float = 20.0) -> list[dict[str, Any]]:
        return [json.loads(message.data) for message in self.receive(count, timeout)]

    def receive_ids(self, count: int, timeout: float = 20.0) -> set[str]:
        """Receives at least `count` different event ids: what was sent twice counts once."""
        received: set[str] = set()
        deadline = time.monotonic() + timeout
        while len(received) < count and (left := deadline - time.monotonic()) > 0:
            received |= {body["event_id"] for body in self.receive_bodies(1, left)}
        return received

    def _pull(self, timeout: float) -> list[Any]:
        try:
            answer = self._subscriber.pull(
                subscription=self._subscription, max_messages=1000, timeout=timeout, retry=None
            )
        except DeadlineExceeded:
            return []
        if answer.received_messages:
            self._subscriber.acknowledge(
                subscription=self._subscription,
                ack_ids=[received.ack_id for received in answer.received_messages],
            )
        return [received.message for received in answer.received_messages]


def an_event(**fields: Any) -> ExecutionEvent:
    """An event of about 1.3 kB, as in the benchmarks."""
    given = {
        "template_name": "clarifying_questions",
        "template_version": 3,
        "rendered_prompt": "Ask three questions about fractions. " * 17,
        "model_response": "Which fraction is larger? " * 12,
        "status": "success",
        "input_variables": {"topic": "fractions", "grade": 5, "notes": "n" * 100},
    }
    return ExecutionEvent(**{**given, **fields})
