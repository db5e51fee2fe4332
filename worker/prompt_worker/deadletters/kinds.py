"""The kinds of events that dead letters are of: how each is read, and where it is published again."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prompt_worker.deadletters.filters import WorkerName
from prompt_worker.event import execution, feedback
from prompt_worker.event.identified import Identified
from prompt_worker.platform.pubsub.topology import Names


@dataclass(frozen=True)
class Kind:
    """`fields`: the types of an event's fields; those in `shown` never hold a text written by a person or a model.

    `parse` raises `InvalidEventError`.
    """

    fields: dict[str, Any]
    shown: frozenset[str]
    parse: Callable[[bytes], tuple[Identified, int]]
    topic_of: Callable[[Names], str]


EXECUTION = Kind(
    typing.get_type_hints(execution.ExecutionEvent, include_extras=True),
    frozenset({
        "event_id", "template_id", "template_name", "template_version", "ab_test_group", "user_id", "session_id",
        "request_id", "model", "provider", "input_tokens", "output_tokens", "token_count", "cost_usd",
        "execution_time_ms", "status", "error_type", "guardrail_action", "executed_at", "environment",
        "experiment_id", "experiment_phase", "assignment_unit", "prompt_source", "selection", "registry_revision",
        "language", "content_sha256", "attempt", "service",
    }),
    execution.parse,
    lambda names: names.topic,
)  # fmt: skip
FEEDBACK = Kind(
    typing.get_type_hints(feedback.FeedbackEvent, include_extras=True),
    frozenset({"event_id", "request_id", "name", "value", "source", "at"}),
    feedback.parse,
    lambda names: names.feedback_topic,
)
# By the worker that rejected the event.
KINDS: dict[WorkerName, Kind] = {"executions": EXECUTION, "guardrails": EXECUTION, "feedback": FEEDBACK}
