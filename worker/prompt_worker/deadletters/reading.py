"""What can be read of a dead letter: which event it is, where it comes from, why it failed. Refuses none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from prompt_worker.consuming.message import Message
from prompt_worker.deadletters.filters import DeadLetteredBy
from prompt_worker.event.depth import check_depth
from prompt_worker.event.execution import COUNT_LIMIT
from prompt_worker.event.moment import EARLIEST, LATEST_AHEAD
from prompt_worker.event.unstorable import replace_unstorable

# https://cloud.google.com/pubsub/docs/handling-failures
_BY_PUBSUB = "CloudPubSubDeadLetterSource"
_BY_WORKER = "dead-letter-"
_NUL, _ESCAPED_NUL, _REPLACEMENT = "\0", b"\\u0000", "\N{REPLACEMENT CHARACTER}"
# The position of a fault in the body and the number of attempts differ from event to event.
_PARTICULARS = re.compile(r"\b(byte (?=\d)|after (?=\d+ delivery))\d+")


class Origin(msgspec.Struct, gc=False):
    """Who put a message on the dead-letter topic and why, and when it failed first and last."""

    source: DeadLetteredBy
    subscription: str | None
    error_class: str
    reason: str
    # Names the published message that failed; the same however often it is delivered or forwarded.
    occurrence: str
    first_seen: datetime
    last_seen: datetime
    delivery_attempts: int | None = None


class Payload(msgspec.Struct, gc=False):
    """The fields of a body that dead letters are found by; None where it has no valid one."""

    event_id: UUID | None = None
    template_name: str | None = None
    template_version: int | None = None
    environment: str | None = None


_ABSENT = msgspec.Raw(b"null")


class _Body(msgspec.Struct, gc=False):
    # Not decoded before it is known what they are: a list of millions takes many times its size.
    event_id: msgspec.Raw = _ABSENT
    template_name: msgspec.Raw = _ABSENT
    template_version: msgspec.Raw = _ABSENT
    environment: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


def read_payload(body: bytes) -> Payload:
    """Reads each field that is valid; none of a body that is not a JSON object."""
    try:
        check_depth(body)
        found = _decode(replace_unstorable(body)[0])
        event_id, name, version, environment = (
            _scalar(raw)
            for raw in (found.event_id, found.template_name, found.template_version, found.environment)
        )
    except (ValueError, RecursionError):
        # Not JSON, not UTF-8, or nested too deeply.
        return Payload()
    return Payload(
        _uuid(event_id),
        _label(name, 255),
        version if isinstance(version, int) and 0 <= version <= COUNT_LIMIT else None,
        _label(environment, 50),
    )


def _scalar(raw: msgspec.Raw) -> object:
    """A text or a number; None for a list or an object."""
    return None if bytes(raw)[:1] in (b"[", b"{") else msgspec.json.decode(raw)


def event_key(payload: Payload, body: bytes) -> UUID:
    """The key of a dead letter: the event id in the body, else a version 8 UUID of the body's SHA-256."""
    if payload.event_id is not None:
        return payload.event_id
    bits = int.from_bytes(sha256(body).digest()[:16])
    return UUID(int=bits & ~(0xF << 76 | 0x3 << 62) | 8 << 76 | 2 << 62)


def event_id(payload: Payload, attributes: Mapping[str, str]) -> UUID | None:
    """The id in the body, else the one that its publisher announced."""
    return payload.event_id or _uuid(attributes.get("ce-id"))


def read_origin(message: Message) -> Origin:
    """Reads the attributes that the worker or Pub/Sub adds."""
    attributes = message.attributes
    published = datetime.fromtimestamp(message.publish_time, UTC)
    if f"{_BY_WORKER}error-class" in attributes:
        given = {name: attributes.get(_BY_WORKER + name, "") for name in ("source", "reason", "message-id")}
        first_seen = _time(attributes.get(f"{_BY_WORKER}first-seen"), published)
        return Origin(
            "worker",
            _label(given["source"], 255),
            _text(attributes[f"{_BY_WORKER}error-class"])[:100],
            _text(given["reason"]),
            _occurrence(given["message-id"] or message.message_id, first_seen),
            first_seen,
            _time(attributes.get(f"{_BY_WORKER}last-seen"), published),
        )
    if f"{_BY_PUBSUB}Subscription" in attributes:
        attempts = attributes.get(f"{_BY_PUBSUB}DeliveryCount", "")
        sent = attributes.get(f"{_BY_PUBSUB}TopicPublishTime")
        return Origin(
            "pubsub",
            _label(attributes[f"{_BY_PUBSUB}Subscription"], 255),
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
    """The same number for dead letters that failed alike: a 64-bit digest, signed as a PostgreSQL bigint."""
    alike = "\0".join((consumer, origin.source, origin.error_class, general_reason(origin.reason)))
    return int.from_bytes(sha256(alike.encode()).digest()[:8], signed=True)


def general_reason(reason: str) -> str:
    """The reason without the numbers that differ from event to event."""
    return _PARTICULARS.sub(r"\1…", reason)


def attributes_json(attributes: Mapping[str, str]) -> str:
    """JSON that jsonb can hold: with U+FFFD for NUL."""
    encoded = _encode(dict(attributes))
    if _ESCAPED_NUL in encoded:
        encoded = _encode({_text(name): _text(value) for name, value in attributes.items()})
    return encoded.decode()


def _occurrence(message_id: str, published: datetime) -> str:
    """With the time, since an emulator that is started again gives the same ids again."""
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
    """A time with an offset that an event may have; attributes hold anything."""
    try:
        time = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return otherwise
    possible = time.tzinfo is not None and EARLIEST <= time <= otherwise + LATEST_AHEAD
    return time if possible else otherwise
