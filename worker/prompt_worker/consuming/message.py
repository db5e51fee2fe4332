"""A message, and how one is copied out of the answer that it came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from google.pubsub_v1.types import ReceivedMessage

# Bytes of a message from which it is copied: otherwise each keeps the memory of the whole answer that it came in.
LARGE = 10_000

_ReceivedMessage: Any = type(ReceivedMessage.pb(ReceivedMessage()))


class Message(msgspec.Struct, gc=False):
    """One delivery. `received` is the protobuf it came in, for what is seldom needed."""

    data: bytes
    attributes: Mapping[str, str]
    ack_id: str
    received: Any = None

    @property
    def message_id(self) -> str:
        return str(self.received.message.message_id)

    @property
    def publish_time(self) -> float:
        """Unix seconds."""
        stamp = self.received.message.publish_time
        return float(stamp.seconds + stamp.nanos / 1e9)

    @property
    def delivery_attempt(self) -> int:
        """0 where the subscription has no dead-letter policy."""
        return int(self.received.delivery_attempt)


def copy(received: Any) -> Message:
    """A message that does not keep the memory of the answer that it came in."""
    message = received.message
    rest = _ReceivedMessage(delivery_attempt=received.delivery_attempt)
    rest.message.message_id = message.message_id
    rest.message.publish_time.CopyFrom(message.publish_time)
    return Message(message.data, dict(message.attributes), received.ack_id, rest)


def size_of(message: Message) -> int:
    return len(message.data) + sum(len(name) + len(value) for name, value in message.attributes.items())
