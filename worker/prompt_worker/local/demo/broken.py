"""What only broken publishers send: a message of each kind, for the demonstration's dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from prompt_worker.event.execution import EVENT_TYPE, ExecutionEvent


@dataclass(frozen=True)
class Raw:
    """A message that only a broken publisher would send; it becomes a dead letter."""

    body: bytes
    attributes: dict[str, str]


# A value replaces the event's field; ... removes it.
BREAKS: list[dict[str, Any] | bytes | str] = [
    b'{"event_id": "0190',  # not JSON
    b'{"template_name": "caf\xe9"}',  # not UTF-8
    {"rendered_prompt": ...},
    {"execution_time_ms": "fast"},
    {"execution_time_ms": 2**31},
    {"cost_usd": "-0.004"},
    {"status": "done"},
    # Of services that know prompts which the database does not.
    {"template_version": 99, "template_id": ...},
    {"template_name": "essay_feedback", "template_id": ...},
    {"executed_at": "2026-03-01T10:00:00"},  # no offset
    {"executed_at": "1970-01-01T00:00:00Z"},
    "prompt.execution.v9",  # a version of the event that this worker does not read
]


def broken(number: int, event: ExecutionEvent) -> Raw:
    """The `number`-th kind of broken message, made of a good event."""
    damage = BREAKS[number % len(BREAKS)]
    attributes = {"ce-type": damage if isinstance(damage, str) else EVENT_TYPE}
    if isinstance(damage, bytes):
        return Raw(damage, attributes)
    fields = msgspec.to_builtins(event)
    if isinstance(damage, dict):
        fields = {name: value for name, value in (fields | damage).items() if value is not ...}
    return Raw(msgspec.json.encode(fields), attributes)
