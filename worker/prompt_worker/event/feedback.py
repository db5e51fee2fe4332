"""The contract: a feedback event of version 1, from bytes and to bytes.

What somebody, or a program that judges, says about what a request got: a rating, an edit, a score. It names the
request and nothing else, so it may come before its execution, long after it, or for one that was never recorded.
`schema/prompt_schema/events/` holds the JSON Schema generated from `FeedbackEvent`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from prompt_worker.event.depth import check_depth
from prompt_worker.event.moment import MEANING, Offset, check_moment, now
from prompt_worker.event.refusal import UNREADABLE, InvalidEventError, refusal
from prompt_worker.event.unstorable import replace_unstorable
from prompt_worker.platform.uuid7 import uuid7

EVENT_TYPE = "prompt.feedback.v1"
SOURCE_LENGTH = 100
# Six places are kept, as of a cost: sums of them are exact.
PLACES = 6

Name = Annotated[str, Meta(min_length=1, max_length=50)]
Source = Annotated[str, Meta(min_length=1, max_length=SOURCE_LENGTH)]
Value = Annotated[float, Meta(ge=-1, le=1)]


class FeedbackEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one source says about one request."""

    request_id: Annotated[UUID, Meta(description="The `request_id` of the executions that it is about.")]
    name: Annotated[
        Name,
        Meta(
            description="What was asked, such as `helpful`; an experiment measures it as `feedback:helpful`."
        ),
    ]
    value: Annotated[
        Value | bool,
        Meta(
            description=f"From -1 to 1, of which {PLACES} places are kept. "
            "Of a question answered by yes or no: 1 or true, 0 or false."
        ),
    ]
    source: Annotated[
        Source | None,
        Meta(
            description="Who says so, such as `user` or `judge`; no person's name. "
            "Of what one source says under one name about one request the last one counts."
        ),
    ] = None
    event_id: Annotated[
        UUID, Meta(description="Version 7 preferred. The row's key: publishing it twice changes nothing.")
    ] = msgspec.field(default_factory=uuid7)
    at: Annotated[Offset, Meta(description=f"When it was given. {MEANING}")] = msgspec.field(
        default_factory=now
    )


class ReceivedFeedback(FeedbackEvent, kw_only=True):
    """The same event as the worker holds it. What the publisher's side fills in is required here."""

    source: Source
    event_id: UUID
    at: Offset


_decode = msgspec.json.Decoder(ReceivedFeedback).decode
encode = msgspec.json.Encoder().encode


def parse(body: bytes, received_at: datetime | None = None) -> tuple[ReceivedFeedback, int]:
    """The event in `body`, and how many characters had to be replaced. Raises `InvalidEventError`.

    `received_at` defaults to now; a caller with many events reads the clock once for all.
    """
    body, replaced = replace_unstorable(body)
    try:
        check_depth(body)
        event = _decode(body)
    except UNREADABLE as error:
        raise refusal(body, error) from None
    check_moment(event.at, received_at or now(), "at")
    return event, replaced


def rounded(value: object) -> float:
    """Any kind of number or truth value as feedback has it; what a computed score exceeds 1 by is rounded away.

    Raises `InvalidEventError` for what is no number from -1 to 1.
    """
    refusal = InvalidEventError("invalid_field", "Expected a number from -1 to 1 - at `$.value`")
    if isinstance(value, str | bytes | bytearray):
        raise refusal
    try:
        number = round(float(value), PLACES)  # type: ignore[arg-type]
    # A class of somebody's own may raise anything.
    except Exception:
        raise refusal from None
    if not -1 <= number <= 1:
        raise refusal
    return number
