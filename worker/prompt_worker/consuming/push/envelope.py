"""The JSON that Pub/Sub wraps a pushed message in → a message as the handlers read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import field

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.push.room import Place
from prompt_worker.event.depth import check_depth


class _Body(msgspec.Struct, gc=False):
    message_id: str = field(name="messageId")
    publish_time: datetime = field(name="publishTime")
    # In base64 on the wire.
    data: bytes = b""
    attributes: dict[str, str] | None = None


class _Envelope(msgspec.Struct, gc=False):
    message: _Body
    subscription: str
    delivery_attempt: int = field(name="deliveryAttempt", default=0)


class PushedMessage(Message, eq=False):
    """The message of a request. `received` is its envelope, `answer` a future of whether it is settled.

    Its `place` among those in flight is left when nothing holds it any more.
    """

    answer: Any = None
    place: Place | None = None

    def let_go(self) -> None:
        if self.place:
            self.place.leave()

    @property
    def message_id(self) -> str:
        return str(self.received.message.message_id)

    @property
    def publish_time(self) -> float:
        return float(self.received.message.publish_time.timestamp())

    @property
    def delivery_attempt(self) -> int:
        return int(self.received.delivery_attempt)


class NotAnEnvelopeError(ValueError):
    """The body is not what Pub/Sub sends. Quotes none of it."""


_decode = msgspec.json.Decoder(_Envelope).decode


def read_envelope(body: bytes) -> PushedMessage:
    """The message of a request's body. Raises `NotAnEnvelopeError`."""
    try:
        check_depth(body)
        envelope = _decode(body)
    except msgspec.DecodeError as error:
        raise NotAnEnvelopeError(str(error)) from None
    except UnicodeDecodeError:
        raise NotAnEnvelopeError("not UTF-8") from None
    except RecursionError:
        raise NotAnEnvelopeError("nested too deeply") from None
    message = envelope.message
    return PushedMessage(message.data, message.attributes or {}, "", envelope)
