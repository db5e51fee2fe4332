"""The trace that an event is published in, carried on in its attributes."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from prompt_worker.platform.pubsub.limits import ATTRIBUTE_VALUE_BYTES

if TYPE_CHECKING:
    from opentelemetry.trace import Span


def carry_on(future: Future[str], event_id: UUID | None, what: str = "execution") -> dict[str, str]:
    """The attributes `traceparent` and `tracestate` of the caller's span; baggage is left out, it may name people.

    If that span is recorded, a child of it, named after `what`, lasts until `future` is done: the worker continues it.
    """
    if "opentelemetry.trace" not in sys.modules:
        # A service that never imported it has no span.
        return {}
    carrier: dict[str, str] = {}
    # A failure here is no reason to lose an event.
    with suppress(Exception):
        from opentelemetry.trace import get_current_span, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        span = get_current_span()
        if not span.get_span_context().is_valid:
            return {}
        if span.is_recording():
            span = _publishing(future, event_id, what)
        TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return {name: value for name, value in carrier.items() if len(value.encode()) <= ATTRIBUTE_VALUE_BYTES}


def _publishing(future: Future[str], event_id: UUID | None, what: str) -> Span:
    from opentelemetry.trace import SpanKind, get_tracer

    span = get_tracer("prompt_worker").start_span(
        f"publish prompt {what}",
        kind=SpanKind.PRODUCER,
        attributes={"messaging.system": "gcp_pubsub", "prompt_worker.event_id": str(event_id)},
    )
    future.add_done_callback(partial(_end, span))
    return span


def _end(span: Span, future: Future[str]) -> None:
    from opentelemetry.trace import StatusCode

    if future.cancelled():
        span.set_status(StatusCode.ERROR, "cancelled")
    elif error := future.exception():
        # Its text may quote the event.
        span.set_status(StatusCode.ERROR, type(error).__name__)
    else:
        span.set_attribute("messaging.message.id", future.result())
    span.end()
