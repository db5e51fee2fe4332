"""What can be read in a message, even in one that cannot become a row: its event id and its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, cast
from uuid import UUID

import msgspec

from prompt_worker.consuming.message import Message
from prompt_worker.event.execution import EVENT_TYPE
from prompt_worker.event.moment import EARLIEST, LATEST_AHEAD, Offset, now
from prompt_worker.event.unstorable import replace_unstorable
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.recording.templates import LONGEST_ID, ServedTemplate, TemplateKey
from prompt_worker.guardrails.undecoded import AT_ONCE, opened
from prompt_worker.platform import telemetry

_TEXT_OR_NONE = (str, type(None))


class Received(msgspec.Struct, kw_only=True, gc=False):
    """An event's fields, of whatever type: what the execution worker refuses is judged here all the same."""

    event_id: UUID
    template_id: Any = None
    template_name: Any = None
    template_version: Any = None
    input_variables: Any = None
    rendered_prompt: Any = None
    model_response: Any = None
    guardrail_violations: Any = None
    user_id: Any = None
    environment: Any = None
    executed_at: Any = None

    @property
    def template_key(self) -> TemplateKey | None:
        """As the execution worker finds the template: by id, else by name and version."""
        if self.template_id is not None:
            given = self.template_id
            return given if isinstance(given, str) and len(given) <= LONGEST_ID else None
        name, version = label(self.template_name), self.template_version
        if isinstance(version, float) and version.is_integer():
            version = int(version)
        return (name, version) if name and isinstance(version, int) and 0 < version < 2**31 else None

    def execution(self, template: ServedTemplate | None) -> Execution:
        """Its texts, each as what it should be; one of another shape is judged like input variables."""
        variables, prompt, response = self.input_variables, self.rendered_prompt, self.model_response
        if not (
            isinstance(variables, dict)
            and isinstance(prompt, _TEXT_OR_NONE)
            and isinstance(response, _TEXT_OR_NONE)
        ):
            named = {"input_variables": variables, "rendered_prompt": prompt, "model_response": response}
            odd = {name: value for name, value in named.items() if not isinstance(value, _TEXT_OR_NONE)}
            variables = odd.pop("input_variables", {})
            variables = odd | (variables if isinstance(variables, dict) else {"input_variables": variables})
        return Execution(
            prompt=prompt if isinstance(prompt, str) else None,
            variables=variables,
            response=response if isinstance(response, str) else None,
            template_text=template.text if template else None,
            template_name=label(self.template_name),
            category=template.category if template else None,
            decoded=True,
        )

    def time(self) -> datetime:
        """When it was executed; now where that cannot be read or is not possible."""
        received_at = now()
        executed_at = _convert(self.executed_at, Offset)
        possible = executed_at is not None and EARLIEST <= executed_at <= received_at + LATEST_AHEAD
        return executed_at if possible else received_at

    def inline_violations(self, most: int) -> Iterator[Mapping[str, Any]]:
        """What the service itself reported, at most so many. A bare string is the guardrail's name."""
        reported = self.guardrail_violations
        for each in islice(map(opened, reported if isinstance(reported, list) else ()), most):
            yield (
                each
                if isinstance(each, dict)
                else {"guardrail_name": each if isinstance(each, str) else None}
            )


_NULL = msgspec.Raw(b"null")


class _Large(Received, kw_only=True, gc=False):
    """An event whose texts are decoded where they are judged."""

    input_variables: msgspec.Raw = _NULL
    rendered_prompt: msgspec.Raw = _NULL
    model_response: msgspec.Raw = _NULL
    guardrail_violations: msgspec.Raw = _NULL


_decode = msgspec.json.Decoder(Received).decode
_decode_large = msgspec.json.Decoder(_Large).decode


def receive(message: Message) -> Received | None:
    """None where nothing can be judged or recorded: no JSON, no event id, or an event of another type."""
    if message.attributes.get("ce-type", EVENT_TYPE) != EVENT_TYPE:
        return None
    received, replaced = _read(message.data)
    if replaced:
        telemetry.count("replaced_characters", replaced)
    return received


def receive_again(message: Message) -> Received:
    """The event of a message that `receive` found one in."""
    return cast(Received, _read(message.data)[0])


def _read(body: bytes) -> tuple[Received | None, int]:
    """The event, and how many characters had to be replaced."""
    body, replaced = replace_unstorable(body)
    try:
        return _decode(body) if len(body) <= AT_ONCE else _opened(_decode_large(body)), replaced
    # Errors of msgspec, wrong encodings, integers of too many digits.
    except (ValueError, RecursionError):
        return _decode_leniently(body), replaced


def _opened(event: _Large) -> Received:
    for field in _Large.__annotations__:
        setattr(event, field, opened(getattr(event, field)))
    return event


def _decode_leniently(body: bytes) -> Received | None:
    fields = opened(msgspec.Raw(body))
    if not isinstance(fields, dict):
        return None
    fields = {name: opened(value) for name, value in fields.items()}
    version = fields.get("template_version")
    if isinstance(version, str) and version.isdecimal() and len(version) < 10:
        fields["template_version"] = int(version)
    try:
        return msgspec.convert(fields, Received)
    except msgspec.ValidationError:
        return None


def label(value: object, longest: int = 255) -> str | None:
    """An identifier as its column stores it, at most `longest` characters; None where it is not a text."""
    return value[:longest] if isinstance(value, str) else None


def _convert(value: Any, expected: Any) -> Any:
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError:
        return None
