"""The kinds of events that dead letters are of: how each is read, and where it is published again."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from msgspec import inspect

from prompt_worker.deadletters.filters import WorkerName
from prompt_worker.event import execution, feedback
from prompt_worker.event.identified import Identified
from prompt_worker.platform.pubsub.topology import Names

# Characters of a value that is shown.
LONGEST = 255
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", re.ASCII)
_NUMBERS = (inspect.IntType, inspect.FloatType, inspect.DecimalType, inspect.BoolType, inspect.NoneType)


@dataclass(frozen=True)
class Kind:
    """`fields`: the types of an event's fields; those in `shown` hold no text written by a person or a model.

    `parse` raises `InvalidEventError`.
    """

    fields: dict[str, Any]
    shown: frozenset[str]
    parse: Callable[[bytes], tuple[Identified, int]]
    topic_of: Callable[[Names], str]

    def shows(self, name: str, value: object) -> bool:
        """Whether nobody's text can be in this value: a rejected event may have a comment where a number belongs.

        A text that its field is too short for is not shown either. A number may be given as its text.
        """
        if name not in self.shown or isinstance(value, dict | list):
            return False
        if not isinstance(value, str):
            return len(str(value)) <= LONGEST
        lengths = [one.max_length for one in self._types[name] if isinstance(one, inspect.StrType)]
        if len(value) > min([LONGEST, *filter(None, lengths)]):
            return False
        of_numbers = all(isinstance(one, _NUMBERS) for one in self._types[name])
        return not of_numbers or _NUMBER.fullmatch(value) is not None

    @cached_property
    def _types(self) -> dict[str, list[inspect.Type]]:
        """Those that a shown field is one of."""
        return {name: list(_parts(inspect.type_info(self.fields[name]))) for name in self.shown}


def _parts(found: inspect.Type) -> Iterator[inspect.Type]:
    match found:
        case inspect.Metadata():
            yield from _parts(found.type)
        case inspect.UnionType():
            for one in found.types:
                yield from _parts(one)
        case _:
            yield found


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
