"""Spans. A batch has many parents, so its span is linked to them; each sampled message also has a span of its own.

That one is a child of the span that published it: one trace id then holds the publishing, the row and the violations.
A message that its publisher did not sample has none, and costs one lookup of an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, ProxyTracerProvider, Span, SpanKind, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from prompt_worker.consuming.message import Message

_SAMPLED = frozenset("13579bdf")  # the last digit of `traceparent` is odd

_tracer = trace.get_tracer("prompt_worker")
_propagator = TraceContextTextMapPropagator()
_NONE: Mapping[int, Span] = {}
_spans: ContextVar[Mapping[int, Span]] = ContextVar("spans", default=_NONE)


@contextmanager
def batch(messages: Sequence[Message], subscription: str) -> Iterator[Mapping[int, Span]]:
    """Around the handling of a batch: the spans of its sampled messages, by position. An error ends them as such."""
    contexts = _sampled(messages)
    if not contexts:
        yield _NONE
        return
    attributes = {
        "messaging.system": "gcp_pubsub",
        "messaging.operation.type": "process",
        "messaging.destination.subscription.name": subscription,
    }
    links = [Link(get_current_span(context).get_span_context()) for context in contexts.values()]
    whole = _tracer.start_span(
        f"batch {subscription}",
        # A trace of its own.
        Context(),
        SpanKind.CONSUMER,
        attributes | {"messaging.batch.message_count": len(messages)},
        links,
    )
    to_batch = [Link(whole.get_span_context())]
    spans = {
        position: _tracer.start_span(
            f"process {subscription}",
            context,
            SpanKind.CONSUMER,
            attributes | _identity(messages[position]),
            to_batch,
        )
        for position, context in contexts.items()
    }
    token = _spans.set(spans)
    try:
        with trace.use_span(whole, record_exception=False, set_status_on_exception=False):
            yield spans
    except BaseException as error:
        for span in (whole, *spans.values()):
            span.set_status(StatusCode.ERROR, type(error).__name__)  # its text may quote an event
        raise
    finally:
        _spans.reset(token)
        for span in (*spans.values(), whole):
            span.end()


def annotate(position: int, event: str, attributes: Mapping[str, str]) -> None:
    """Something that happened to the message at `position` of the batch being handled, where it is sampled."""
    if span := _spans.get().get(position):
        span.add_event(event, attributes)


def _sampled(messages: Sequence[Message]) -> dict[int, Context]:
    if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        return {}  # no exporter
    sampled = [
        position
        for position, message in enumerate(messages)
        if message.attributes.get("traceparent", "")[-1:] in _SAMPLED
    ]
    contexts = {
        position: _propagator.extract(messages[position].attributes, Context()) for position in sampled
    }
    return {
        position: context
        for position, context in contexts.items()
        if get_current_span(context).get_span_context().is_valid
    }


def _identity(message: Message) -> dict[str, str]:
    return {
        "messaging.message.id": message.message_id,
        "prompt_worker.event_id": message.attributes.get("ce-id", "")[:64],
    }
