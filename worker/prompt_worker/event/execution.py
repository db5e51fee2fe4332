"""The contract: an execution event of version 1, from bytes and to bytes.

`schema/prompt_schema/events/` holds the JSON Schema generated from `ExecutionEvent`.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from prompt_worker.event.depth import check_depth
from prompt_worker.event.moment import MEANING, Offset, check_moment, now
from prompt_worker.event.refusal import UNREADABLE, InvalidEventError, refusal
from prompt_worker.event.unit import LONGEST
from prompt_worker.event.unstorable import replace_unstorable
from prompt_worker.event.whole import with_whole_numbers
from prompt_worker.platform.uuid7 import uuid7

EVENT_TYPE = "prompt.execution.v1"
# The columns are PostgreSQL integers.
COUNT_LIMIT = 2**31 - 1
# Of a bigint.
REVISION_LIMIT = 2**63 - 1
SERVICE_LENGTH = 100

Status = Literal["success", "failure", "partial", "blocked"]
GuardrailAction = Literal["allow", "warn", "block"]
PromptSource = Literal["live", "disk", "builtin"]

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text255 = Annotated[str, Meta(max_length=255)]
Text100 = Annotated[str, Meta(max_length=100)]
Text50 = Annotated[str, Meta(max_length=50)]
# What RFC 5646 (4.4.1) says a language tag needs at most.
Text35 = Annotated[str, Meta(max_length=35)]
Sha256 = Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
Ordinal = Annotated[int, Meta(ge=1, le=COUNT_LIMIT)]
Count = Annotated[int, Meta(ge=0, le=COUNT_LIMIT)]
Revision = Annotated[int, Meta(ge=0, le=REVISION_LIMIT)]

FREE = Decimal(0)
# numeric(10,6) holds four digits before the point; from COST_ROUNDED_UP on, six places round up to the limit.
COST_LIMIT = Decimal(10_000)
COST_ROUNDED_UP = COST_LIMIT - Decimal("0.0000005")


class ExecutionEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One execution of one prompt."""

    template_name: Annotated[Name, Meta(description="The prompt template's name.")]
    template_version: Annotated[Ordinal, Meta(description="The version that was served.")]
    rendered_prompt: Annotated[str, Meta(description="The prompt as the model got it.")]
    status: Annotated[
        Status, Meta(description="`blocked`: an inline guardrail stopped it before the model was called.")
    ]
    input_variables: Annotated[
        dict[str, Any],
        Meta(
            description="What the template was rendered with; may be empty. "
            "`_truncated` names each text that was cut, with its length before."
        ),
    ]
    event_id: Annotated[
        UUID, Meta(description="Version 7 preferred. The row's key: publishing it twice changes nothing.")
    ] = msgspec.field(default_factory=uuid7)
    executed_at: Annotated[Offset, Meta(description=MEANING)] = msgspec.field(default_factory=now)
    template_id: Annotated[
        UUID | None,
        Meta(
            description="Absent when a service ran on its own prompt: "
            "the template is then found by name and version."
        ),
    ] = None
    ab_test_group: Annotated[Text50 | None, Meta(description="`control`, `variant_a`, …")] = None
    user_id: Text255 | None = None
    session_id: Text255 | None = None
    request_id: UUID | None = None
    model_response: str | None = None
    model: Annotated[Text100 | None, Meta(description="In OpenTelemetry: `gen_ai.request.model`.")] = None
    provider: Annotated[Text100 | None, Meta(description="In OpenTelemetry: `gen_ai.provider.name`.")] = None
    input_tokens: Annotated[
        Count | None, Meta(description="In OpenTelemetry: `gen_ai.usage.input_tokens`.")
    ] = None
    output_tokens: Annotated[
        Count | None, Meta(description="In OpenTelemetry: `gen_ai.usage.output_tokens`.")
    ] = None
    token_count: Annotated[Count | None, Meta(description="The sum of the two where absent.")] = None
    cost_usd: Annotated[
        Decimal | None,
        Meta(
            description=f"US dollars from 0 to below {COST_LIMIT}, 6 places are kept. A string keeps them exact."
        ),
    ] = None
    execution_time_ms: Annotated[Count | None, Meta(description="Milliseconds.")] = None
    error_type: Text100 | None = None
    error_message: str | None = None
    guardrail_action: Annotated[
        GuardrailAction | None,
        Meta(description="What the service's own guardrails decided, where it ran any."),
    ] = None
    guardrail_violations: Annotated[
        list[dict[str, Any]] | None,
        Meta(description="Objects with `guardrail_name`, `guardrail_type`, `severity`, `action`, `details`."),
    ] = None
    environment: Annotated[Text50 | None, Meta(description="`dev`, `staging`, `production`.")] = None
    experiment_id: Annotated[
        UUID | None,
        Meta(
            description="The A/B test or rollout that the unit is enrolled in; "
            "a unit outside of its arms has no `ab_test_group`."
        ),
    ] = None
    experiment_phase: Annotated[
        Ordinal | None, Meta(description="The experiment's phase by which the unit was assigned.")
    ] = None
    assignment_unit: Annotated[
        Text255 | None,
        Meta(
            description="What was hashed to assign it, such as a user's or a session's id. "
            f"For one longer than {LONGEST} bytes of UTF-8: `sha256:` and the first 32 hex digits of its SHA-256, "
            "which the worker makes of it otherwise."
        ),
    ] = None
    prompt_source: Annotated[
        PromptSource | None,
        Meta(
            description="Where the service had the prompt from: the registry, the last good file, or its own image."
        ),
    ] = None
    selection: Annotated[
        Text50 | None,
        Meta(
            description="Why this version: `production`, `label:…`, `rule:…`, `experiment`, `rollout`, "
            "`pinned`, `builtin:…`."
        ),
    ] = None
    registry_revision: Annotated[
        Revision | None, Meta(description="The revision of the registry that the service had.")
    ] = None
    language: Annotated[
        Text35 | None, Meta(description="BCP 47, of the text that was served; absent for the version's own.")
    ] = None
    content_sha256: Annotated[
        Sha256 | None, Meta(description="Of the version's content as it was rendered, in lower case.")
    ] = None
    attempt: Annotated[
        Ordinal | None, Meta(description="Which attempt at this `request_id` it is, from 1.")
    ] = None
    service: Annotated[
        Annotated[str, Meta(max_length=SERVICE_LENGTH)] | None,
        Meta(description="Who served it; the `ce-source` of the message."),
    ] = None


# Counts may be rounded; a version may not.
COUNTS = ("input_tokens", "output_tokens", "token_count", "execution_time_ms")
INTEGERS = ("template_version", *COUNTS, "experiment_phase", "registry_revision", "attempt")

# As an absent field is decoded: compared by identity.
NO_VIOLATIONS = msgspec.Raw(b"")


class ReceivedEvent(ExecutionEvent, kw_only=True):
    """The same event as the worker holds it: its JSON fields stay the bytes that were published.

    Never decoded, numbers of any length stay exact, and nothing is encoded twice. What the publisher's side fills
    in is required here: an id made up by the worker would be another one at the next delivery.
    """

    event_id: UUID
    executed_at: Offset
    input_variables: msgspec.Raw  # type: ignore[assignment]
    guardrail_violations: msgspec.Raw = NO_VIOLATIONS  # type: ignore[assignment]
    # Without the pattern, which would be matched for each event, and many have the same one.
    content_sha256: Annotated[str, Meta(min_length=64, max_length=64)] | None = None


_decode = msgspec.json.Decoder(ReceivedEvent).decode
_encode = msgspec.json.Encoder().encode


def encode(event: ExecutionEvent) -> bytes:
    """The event as it is published: JSON in UTF-8."""
    return _encode(event)


def parse(body: bytes, received_at: datetime | None = None) -> tuple[ReceivedEvent, int]:
    """The event in `body`, and how many characters had to be replaced. Raises `InvalidEventError`.

    `received_at` defaults to now; a caller with many events reads the clock once for all.
    """
    body, replaced = replace_unstorable(body)
    try:
        check_depth(body)
        event = _decoded(body)
        variables = _readable(event.input_variables)
        violations = (
            b"" if event.guardrail_violations is NO_VIOLATIONS else _readable(event.guardrail_violations)
        )
    except UNREADABLE as error:
        raise refusal(body, error) from None
    _check(event, variables, violations, received_at or now())
    return event, replaced


def _decoded(body: bytes) -> ReceivedEvent:
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        # Rare, so that it costs other events nothing.
        whole = with_whole_numbers(body, INTEGERS) if "got `float`" in str(error) else None
        if whole is None:
            raise
    return _decode(whole)


def _readable(value: msgspec.Raw) -> bytes:
    """The bytes of a JSON field. Raises `UnicodeDecodeError`: nothing else decodes what is in it."""
    undecoded = bytes(value)
    if not undecoded.isascii():
        undecoded.decode()
    return undecoded


@lru_cache(maxsize=1024)
def _is_sha256(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _check(event: ReceivedEvent, variables: bytes, violations: bytes, received_at: datetime) -> None:
    content_sha256, cost = event.content_sha256, event.cost_usd
    if content_sha256 is not None and not _is_sha256(content_sha256):
        raise InvalidEventError(
            "invalid_field", "Expected 64 hex digits in lower case - at `$.content_sha256`"
        )
    if cost is not None and not (cost.is_finite() and FREE <= cost < COST_ROUNDED_UP):
        raise InvalidEventError(
            "invalid_field", f"Expected a cost from 0 to below {COST_LIMIT} - at `$.cost_usd`"
        )
    if event.token_count is None and (event.input_tokens or 0) + (event.output_tokens or 0) > COUNT_LIMIT:
        raise InvalidEventError(
            "invalid_field", f"Expected a sum <= {COUNT_LIMIT} - at `$.input_tokens`, `$.output_tokens`"
        )
    check_moment(event.executed_at, received_at, "executed_at")
    if not variables.startswith(b"{"):
        raise InvalidEventError("invalid_field", "Expected `object` - at `$.input_variables`")
    if violations not in (b"", b"null") and not violations.startswith(b"["):
        raise InvalidEventError("invalid_field", "Expected `array` - at `$.guardrail_violations`")
