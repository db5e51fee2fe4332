"""Rejected events, published to the dead-letter topic with the reason, their bytes unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.api_core.exceptions import InvalidArgument
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Rejected
from prompt_worker.platform.pubsub import limits
from prompt_worker.platform.pubsub.topic import Topic

# Bytes: the most that protobuf adds to an attribute.
ATTRIBUTE_OVERHEAD = 12
# Seconds.
PUBLISH_TIMEOUT = 30.0

Rejection = tuple[Message, Rejected]


class DeadLetterTopic:
    """`path` is `projects/P/topics/T`; `source` is the subscription that the events came from."""

    def __init__(self, client: PublisherClient, path: str, *, source: str) -> None:
        self._topic = Topic(client, path)
        self._source = source.rsplit("/", 1)[-1]

    def publish(self, rejections: Sequence[Rejection]) -> list[int]:
        """Returns once Pub/Sub has them all, but for those that it refuses alone: their positions.

        Raises `google.api_core.exceptions.GoogleAPIError`.
        """
        messages = [self._dead_letter(*rejection) for rejection in rejections]
        refused = self._topic.publish(messages, timeout=PUBLISH_TIMEOUT)
        return [refused[position] for position in self._publish_bare([messages[one] for one in refused])]

    def _publish_bare(self, messages: Sequence[PubsubMessage]) -> Sequence[int]:
        """Publishes them without attributes, for which an event that fills its message may leave no room."""
        bare = [PubsubMessage(data=message.data) for message in messages]
        try:
            return self._topic.publish(bare, timeout=PUBLISH_TIMEOUT)
        except InvalidArgument:
            return range(len(bare))

    def _dead_letter(self, message: Message, rejected: Rejected) -> PubsubMessage:
        published = datetime.fromtimestamp(message.publish_time, UTC).isoformat()
        attributes = {
            "dead-letter-error-class": rejected.error_class,
            "dead-letter-reason": _cut(rejected.reason),
            "dead-letter-first-seen": message.attributes.get("dead-letter-first-seen", published),
            "dead-letter-last-seen": datetime.now(UTC).isoformat(),
            "dead-letter-message-id": message.message_id,
            "dead-letter-source": self._source,
        }
        for name, value in message.attributes.items():
            attributes.setdefault(name, value)
        return PubsubMessage(data=message.data, attributes=fitting(attributes, len(message.data)))


def fitting(attributes: dict[str, str], body_bytes: int) -> dict[str, str]:
    """As many as Pub/Sub accepts beside a body of `body_bytes`, the first ones first."""
    room = limits.MESSAGE_BYTES - body_bytes
    fitting: dict[str, str] = {}
    for name, value in attributes.items():
        size = len(name.encode()) + len(value.encode()) + ATTRIBUTE_OVERHEAD
        if size <= room and len(fitting) < limits.MESSAGE_ATTRIBUTES:
            fitting[name] = value
            room -= size
    return fitting


def _cut(text: str) -> str:
    return text.encode()[: limits.ATTRIBUTE_VALUE_BYTES].decode(errors="ignore")
