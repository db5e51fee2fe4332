"""An event as it travels: the CloudEvents attributes around the body (binary mode of the Pub/Sub binding)."""

from __future__ import annotations

from msgspec import Raw, Struct

from prompt_worker.event.execution import EVENT_TYPE, parse


class Message(Struct):
    """What is published, and a line of the spool."""

    attributes: dict[str, str]
    data: Raw


def make_message(body: bytes, source: str, attributes: dict[str, str]) -> Message:
    """The message of `body`. Raises `InvalidEventError` for an event the worker would reject."""
    event, _ = parse(body)
    named = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(event.event_id),
        "ce-type": EVENT_TYPE,
        "ce-source": source,
        "ce-time": event.executed_at.isoformat(),
        "template_name": event.template_name,
    }
    if event.environment:
        named["environment"] = event.environment
    return Message(named | attributes, Raw(body))
