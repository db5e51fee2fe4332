"""The contract: an execution event of version 1, from bytes and to bytes.

`schema/prompt_schema/events/` holds the JSON Schema generated from `ExecutionEvent`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from prompt_worker.platform.uuid7 import uuid7

EVENT_TYPE = "prompt.execution.v1"
COUNT_LIMIT = 2**31 - 1  # the columns are PostgreSQL integers

Status = Literal["success", "failure", "partial", "blocked"]
GuardrailAction = Literal["allow", "warn", "block"]

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Text255 = Annotated[str, Meta(max_length=255)]
Text100 = Annotated[str, Meta(max_length=100)]
Text50 = Annotated[str, Meta(max_length=50)]
Version = Annotated[int, Meta(ge=1, le=COUNT_LIMIT)]
Count = Annotated[int, Meta(ge=0, le=COUNT_LIMIT)]
Offset = Annotated[datetime, Meta(tz=True)]

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST_AHEAD = timedelta(days=1)
FREE = Decimal(0)
COST_LIMIT = Decimal(10_000)  # numeric(10,6) holds four digits before the point
COST_ROUNDED_UP = COST_LIMIT - Decimal("0.0000005")  # from here on, six places round up to the limit


def now() -> datetime:
    return datetime.now(UTC)


class ExecutionEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One execution of one prompt.

    `execution_time_ms` is in milliseconds, `cost_usd` in US dollars (6 places are kept), `executed_at` carries
    an offset. `template_version` is the version that was served; without a `template_id` the worker finds the
    template by name and version.
    """

    template_name: Name
    template_version: Version
    rendered_prompt: str
    status: Status
    input_variables: dict[str, Any]
    event_id: UUID = msgspec.field(default_factory=uuid7)
    executed_at: Offset = msgspec.field(default_factory=now)
    template_id: UUID | None = None
    ab_test_group: Text50 | None = None
    user_id: Text255 | None = None
    session_id: Text255 | None = None
    request_id: UUID | None = None
    model_response: str | None = None
    model: Text100 | None = None
    provider: Text100 | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    token_count: Count | None = None
    cost_usd: Decimal | None = None
    execution_time_ms: Count | None = None
    error_type: Text100 | None = None
    error_message: str | None = None
    guardrail_action: GuardrailAction | None = None
    guardrail_violations: list[dict[str, Any]] | None = None
    environment: Text50 | None = None


NO_VIOLATIONS = msgspec.Raw(b"")  # as an absent field is decoded: compared by identity


class ReceivedEvent(ExecutionEvent, kw_only=True):
    """The same event as the worker holds it: its JSON fields stay the bytes that were published.

    Never decoded, numbers of any length stay exact, and nothing is encoded twice. What the publisher's side fills
    in must be there: an id made up here would be another one at the next delivery.
    """

    event_id: UUID
    executed_at: Offset
    input_variables: msgspec.Raw  # type: ignore[assignment]
    guardrail_violations: msgspec.Raw = NO_VIOLATIONS  # type: ignore[assignment]


class InvalidEventError(ValueError):
    """Why an event cannot become a row; holds none of the event's own text.

    `error_class` groups causes: `invalid_json`, `invalid_utf8`, `invalid_field`.
    """

    def __init__(self, error_class: str, reason: str) -> None:
        super().__init__(reason)
        self.error_class = error_class


_decode = msgspec.json.Decoder(ReceivedEvent).decode
_encode = msgspec.json.Encoder().encode

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# One escape at a time, so that `\\u0000` (an escaped backslash, then text) is left alone; whole surrogate pairs first.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<bad>u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def replace_unstorable(body: bytes) -> tuple[bytes, int]:
    """The body with U+FFFD for each NUL and lone surrogate, which PostgreSQL cannot hold, and how many there were."""
    if 0 not in body and not _SUSPECT.search(body):
        return body, 0
    replaced = body.count(b"\0")

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal replaced
        if match["bad"] is None:
            return match[0]
        replaced += 1
        return _REPLACEMENT

    return _ESCAPE.sub(replace, body.replace(b"\0", _REPLACEMENT)), replaced


def parse(body: bytes, received_at: datetime | None = None) -> tuple[ReceivedEvent, int]:
    """The event in `body`, and how many characters had to be replaced. Raises `InvalidEventError`.

    `received_at` is now, for a caller that reads the clock once for many.
    """
    body, replaced = replace_unstorable(body)
    try:
        event = _decode(body)
        variables = _readable(event.input_variables)
        violations = (
            b"" if event.guardrail_violations is NO_VIOLATIONS else _readable(event.guardrail_violations)
        )
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise _refusal(body, error) from None
    _check(event, variables, violations, received_at or now())
    return event, replaced


def _refusal(body: bytes, error: Exception) -> InvalidEventError:
    try:
        body.decode()
    except UnicodeDecodeError as unreadable:
        return InvalidEventError("invalid_utf8", f"not UTF-8: {unreadable.reason}, byte {unreadable.start}")
    if isinstance(error, msgspec.ValidationError):
        return InvalidEventError("invalid_field", _without_values(str(error)))
    if isinstance(error, RecursionError):
        return InvalidEventError("invalid_json", "objects or arrays nested too deeply")
    return InvalidEventError("invalid_json", f"not JSON: {error}")


def _readable(value: msgspec.Raw) -> bytes:
    """Raises `UnicodeDecodeError`: what is not decoded, nothing later would look at."""
    undecoded = bytes(value)
    if not undecoded.isascii():
        undecoded.decode()
    return undecoded


def encode(event: ExecutionEvent) -> bytes:
    """The event as it is published: JSON in UTF-8."""
    return _encode(event)


def _without_values(message: str) -> str:
    # msgspec quotes a value that is not among the allowed ones; a value may be somebody's text, with " - at" in it.
    return re.sub(
        r"Invalid enum value .* - at", "Not one of the allowed values - at", message, flags=re.DOTALL
    )


def _check(event: ReceivedEvent, variables: bytes, violations: bytes, received_at: datetime) -> None:
    cost = event.cost_usd
    if cost is not None and not (cost.is_finite() and FREE <= cost < COST_ROUNDED_UP):
        raise InvalidEventError(
            "invalid_field", f"Expected a cost from 0 to below {COST_LIMIT} - at `$.cost_usd`"
        )
    if event.token_count is None and (event.input_tokens or 0) + (event.output_tokens or 0) > COUNT_LIMIT:
        raise InvalidEventError(
            "invalid_field", f"Expected a sum <= {COUNT_LIMIT} - at `$.input_tokens`, `$.output_tokens`"
        )
    if not EARLIEST <= event.executed_at <= received_at + LATEST_AHEAD:
        raise InvalidEventError(
            "invalid_field",
            f"Expected a time after {EARLIEST:%Y-%m-%d} and at most a day ahead - at `$.executed_at`",
        )
    if not variables.startswith(b"{"):
        raise InvalidEventError("invalid_field", "Expected `object` - at `$.input_variables`")
    if violations not in (b"", b"null") and not violations.startswith(b"["):
        raise InvalidEventError("invalid_field", "Expected `array` - at `$.guardrail_violations`")
