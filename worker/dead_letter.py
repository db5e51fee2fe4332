"""Rejected events, published to the dead-letter topic with the reason, their bytes unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from worker.outcome import Rejected
from worker.subscription import Message

ATTRIBUTE_BYTES = 1024  # the service's limit for a value
REQUEST_BYTES = 9_000_000
REQUEST_MESSAGES = 1000
PUBLISH_TIMEOUT = 30.0

Rejection = tuple[Message, Rejected]


class DeadLetterTopic:
    """`path` is `projects/P/topics/T`; `source` is the subscription that the events came from."""

    def __init__(self, client: PublisherClient, path: str, *, source: str) -> None:
        self._client = client
        self._path = path
        self._source = source.rsplit("/", 1)[-1]

    def publish(self, rejections: Sequence[Rejection]) -> None:
        """Returns once Pub/Sub has them all. Raises `google.api_core.exceptions.GoogleAPICallError`."""
        for request in _requests([self._dead_letter(*rejection) for rejection in rejections]):
            self._client.api.publish(topic=self._path, messages=request, timeout=PUBLISH_TIMEOUT)

    def _dead_letter(self, message: Message, rejected: Rejected) -> PubsubMessage:
        now = datetime.now(UTC).isoformat()
        published = datetime.fromtimestamp(message.publish_time, UTC).isoformat()
        return PubsubMessage(
            data=message.data,
            attributes={
                **message.attributes,
                "dead-letter-error-class": rejected.error_class,
                "dead-letter-reason": _cut(rejected.reason),
                "dead-letter-source": self._source,
                "dead-letter-message-id": message.message_id,
                "dead-letter-first-seen": message.attributes.get("dead-letter-first-seen", published),
                "dead-letter-last-seen": now,
            },
        )


def _cut(text: str) -> str:
    return text.encode()[:ATTRIBUTE_BYTES].decode(errors="ignore")


def _requests(messages: Sequence[PubsubMessage]) -> Iterator[list[PubsubMessage]]:
    """A publish request holds at most 1,000 messages and 10 MB."""
    request: list[PubsubMessage] = []
    size = 0
    for message in messages:
        bytes_ = PubsubMessage.pb(message).ByteSize()
        if request and (size + bytes_ > REQUEST_BYTES or len(request) == REQUEST_MESSAGES):
            yield request
            request, size = [], 0
        request.append(message)
        size += bytes_
    if request:
        yield request
