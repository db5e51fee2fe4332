"""What can be read of a dead letter: which event it is, where it comes from, why it failed. Never refuses one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from prompt_worker.consuming.subscription import Message
from prompt_worker.deadletters.filters import Source
from prompt_worker.event.execution import COUNT_LIMIT, EARLIEST, LATEST_AHEAD
from prompt_worker.event.unstorable import replace_unstorable

# https://cloud.google.com/pubsub/docs/handling-failures
_FORWARDED = "CloudPubSubDeadLetterSource"
_MADE = "dead-letter-"
_NUL, _ESCAPED_NUL, _REPLACEMENT = "\0", b"\\u0000", "\N{REPLACEMENT CHARACTER}"
# Where in a body it went wrong differs from event to event, and so does the number of attempts.
_PLACES = re.compile(r"\b(byte (?=\d)|after (?=\d+ delivery))\d+")


class Origin(msgspec.Struct, gc=False):
    """Who put a message on the dead-letter topic, and what was said of it; when it failed first, and now."""

    source: Source
    subscription: str | None
    error_class: str
    reason: str
    occurrence: str  # the published message that failed: the same at every delivery and every forwarding
    first_seen: datetime
    last_seen: datetime
    delivery_attempts: int | None = None


class Payload(msgspec.Struct, gc=False):
    """The fields of a body that dead letters are found by; None where it has none that could be an event's."""

    event_id: UUID | None = None
    template_name: str | None = None
    template_version: int | None = None
    environment: str | None = None


class _Body(msgspec.Struct, gc=False):
    event_id: Any = None
    template_name: Any = None
    template_version: Any = None
    environment: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


def read_payload(body: bytes) -> Payload:
    """Whatever of it can be read; an empty one of what is not a JSON object."""
    try:
        found = _decode(replace_unstorable(body)[0])
    except (ValueError, RecursionError):  # not JSON, not UTF-8, nested too deeply
        return Payload()
    version = found.template_version
    return Payload(
        _uuid(found.event_id),
        _label(found.template_name, 255),
        version if isinstance(version, int) and 0 <= version <= COUNT_LIMIT else None,
        _label(found.environment, 50),
    )


def event_key(payload: Payload, body: bytes) -> UUID:
    """What tells dead letters apart: the event id in the body, else a version 8 UUID of its SHA-256."""
    if payload.event_id is not None:
        return payload.event_id
    bits = int.from_bytes(sha256(body).digest()[:16])
    return UUID(int=bits & ~(0xF << 76 | 0x3 << 62) | 8 << 76 | 2 << 62)


def event_id(payload: Payload, attributes: Mapping[str, str]) -> UUID | None:
    """Of the body, else as its publisher announced it."""
    return payload.event_id or _uuid(attributes.get("ce-id"))


def read_origin(message: Message) -> Origin:
    """By the attributes that the worker or Pub/Sub adds."""
    attributes = message.attributes
    published = datetime.fromtimestamp(message.publish_time, UTC)
    if f"{_MADE}error-class" in attributes:
        told = {name: attributes.get(_MADE + name, "") for name in ("source", "reason", "message-id")}
        first_seen = _time(attributes.get(f"{_MADE}first-seen"), published)
        return Origin(
            "worker",
            _label(told["source"], 255),
            _text(attributes[f"{_MADE}error-class"])[:100],
            _text(told["reason"]),
            _occurrence(told["message-id"] or message.message_id, first_seen),
            first_seen,
            _time(attributes.get(f"{_MADE}last-seen"), published),
        )
    if f"{_FORWARDED}Subscription" in attributes:
        attempts = attributes.get(f"{_FORWARDED}DeliveryCount", "")
        sent = attributes.get(f"{_FORWARDED}TopicPublishTime")
        return Origin(
            "pubsub",
            _label(attributes[f"{_FORWARDED}Subscription"], 255),
            "delivery_attempts",
            f"forwarded by Pub/Sub after {attempts or 'many'} delivery attempts without an acknowledgement",
            _text(sent or message.message_id),
            _time(sent, published),
            published,
            int(attempts) if attempts.isdecimal() and len(attempts) < 10 else None,
        )
    return Origin(
        "other",
        None,
        "no_reason",
        "put on the dead-letter topic by neither a worker nor Pub/Sub",
        _occurrence(message.message_id, published),
        published,
        published,
    )


def cause(consumer: str, origin: Origin) -> int:
    """A number alike for dead letters that failed alike: a 64-bit digest, signed as a PostgreSQL bigint."""
    told = "\0".join((consumer, origin.source, origin.error_class, kind_of_reason(origin.reason)))
    return int.from_bytes(sha256(told.encode()).digest()[:8], signed=True)


def kind_of_reason(reason: str) -> str:
    """Without the places that differ from event to event."""
    return _PLACES.sub(r"\1…", reason)


def attributes_json(attributes: Mapping[str, str]) -> str:
    """As jsonb can hold them: with U+FFFD for NUL."""
    encoded = _encode(dict(attributes))
    if _ESCAPED_NUL in encoded:
        encoded = _encode({_text(name): _text(value) for name, value in attributes.items()})
    return encoded.decode()


def _occurrence(message_id: str, published: datetime) -> str:
    """An emulator that is started anew gives the same ids once more."""
    return f"{_text(message_id)} of {published.isoformat()}"


def _text(value: str) -> str:
    return value.replace(_NUL, _REPLACEMENT)


def _label(value: object, longest: int) -> str | None:
    return _text(value[:longest]) if isinstance(value, str) and value else None


def _uuid(value: object) -> UUID | None:
    try:
        return msgspec.convert(value, UUID) if isinstance(value, str) else None
    except msgspec.ValidationError:
        return None


def _time(value: str | None, otherwise: datetime) -> datetime:
    """A time with an offset that can be one of an event; attributes hold anything."""
    try:
        told = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return otherwise
    possible = told.tzinfo is not None and EARLIEST <= told <= otherwise + LATEST_AHEAD
    return told if possible else otherwise
