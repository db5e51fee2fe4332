"""Feedback as it is published: its body, and the message around it."""

from __future__ import annotations

from msgspec import Raw
from msgspec.structs import replace

from prompt_worker.event.feedback import EVENT_TYPE, FeedbackEvent, encode, parse, rounded
from prompt_worker.publishing.encoding.body import encode_or_plain
from prompt_worker.publishing.encoding.message import Message, cloud_event


def make_feedback_body(event: FeedbackEvent) -> tuple[bytes, list[str]]:
    """The JSON of `event`, its value any kind of number; nothing of it is ever cut.

    Raises `InvalidEventError` for a value that is no number from -1 to 1.
    """
    event = replace(event, value=rounded(event.value))
    body, _ = encode_or_plain(event, encode)
    return body, []


def make_feedback_message(body: bytes, source: str, attributes: dict[str, str]) -> Message:
    """The message of `body`; `source` is the service that publishes it.

    Raises `InvalidEventError` for an event the worker would reject.
    """
    event, _ = parse(body)
    named = cloud_event(event.event_id, EVENT_TYPE, source, event.at)
    return Message(named | attributes, Raw(body))
