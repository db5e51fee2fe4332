"""An event as it travels: the CloudEvents attributes around the body (binary mode of the Pub/Sub binding)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Raw, Struct
from msgspec.json import encode as to_json

from prompt_worker.event.execution import COUNTS, EVENT_TYPE, SERVICE_LENGTH, parse
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.event.whole import with_rounded_numbers
from prompt_worker.platform.settings import UNKNOWN_SERVICE
from prompt_worker.publishing.encoding.keys import with_unique_keys


class Message(Struct):
    """What is published, and a line of the spool."""

    attributes: dict[str, str]
    data: Raw


def make_message(body: bytes, source: str, attributes: dict[str, str]) -> Message:
    """The message of `body`, with its counts rounded, its keys made unique, and `source` as its service if it has none.

    Raises `InvalidEventError` for an event the worker would reject.
    """
    try:
        event, _ = parse(body)
    except InvalidEventError as error:
        body = _rounded(body, error)
        event, _ = parse(body)
    body = with_unique_keys(body, event)
    if event.service is None and source != UNKNOWN_SERVICE:
        body = b'%b,"service":%b}' % (body[:-1], to_json(source[:SERVICE_LENGTH]))
    named = cloud_event(event.event_id, EVENT_TYPE, event.service or source, event.executed_at)
    named["template_name"] = event.template_name
    if event.environment:
        named["environment"] = event.environment
    return Message(named | attributes, Raw(body))


def cloud_event(event_id: UUID, event_type: str, source: str, time: datetime) -> dict[str, str]:
    """The attributes that every event has."""
    return {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(event_id),
        "ce-type": event_type,
        "ce-source": source,
        "ce-time": time.isoformat(),
    }


def _rounded(body: bytes, refusal: InvalidEventError) -> bytes:
    """Most people fill in milliseconds as a product of floats. Raises `refusal` where that is not why."""
    if refusal.error_class == "invalid_field" and (rounded := with_rounded_numbers(body, COUNTS)):
        return rounded
    raise refusal
