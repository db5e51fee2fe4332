"""An event as a row of PostgreSQL's binary COPY format, in the column order of `sql/write_executions.sql`.

Binary, since the server then parses no line, no escape, no date and no number:
https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-BINARY-FORMAT
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from struct import Struct
from uuid import UUID

from prompt_worker.event.execution import NO_VIOLATIONS, ReceivedEvent
from prompt_worker.event.unit import recorded_unit

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = Struct(">i").pack(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MILLIONTH = Decimal("0.000001")
_MILLION = Decimal(1_000_000)
_MICROSECOND = timedelta(microseconds=1)

_length = Struct(">i").pack
_head = Struct(">hi16si16s").pack
_uuid = Struct(">i16s").pack
_integer = Struct(">ii").pack
_bigint = Struct(">iq").pack
_timestamp = Struct(">iq").pack
_jsonb = Struct(">ib").pack
_numeric = Struct(">ihhhhhhh").pack


def encode_row(event: ReceivedEvent, template_id: UUID) -> bytes:
    """The bytes of one tuple: a column count, then length and value of each field."""
    tokens = event.token_count
    if tokens is None and event.input_tokens is not None and event.output_tokens is not None:
        tokens = event.input_tokens + event.output_tokens
    variables, prompt = bytes(event.input_variables), event.rendered_prompt.encode()
    # What every event has is inlined: a call costs more than the bytes it makes.
    return b"".join(
        (
            # The integer of a UUID is a slot, its bytes are a property in Python.
            _head(35, 16, event.event_id.int.to_bytes(16), 16, template_id.int.to_bytes(16)),
            _label(event.template_name),
            _integer(4, event.template_version),
            _label(event.ab_test_group),
            _text(event.user_id),
            _NULL if event.request_id is None else _uuid(16, event.request_id.int.to_bytes(16)),
            _text(event.session_id),
            _jsonb(len(variables) + 1, 1),
            variables,
            _length(len(prompt)),
            prompt,
            _text(event.model_response),
            _NULL if (elapsed := event.execution_time_ms) is None else _integer(4, elapsed),
            _NULL if tokens is None else _integer(4, tokens),
            _NULL if event.cost_usd is None else _cost(event.cost_usd),
            _label(event.status),
            _text(event.error_message),
            _label(event.error_type),
            _EMPTY_ARRAY
            if event.guardrail_violations is NO_VIOLATIONS
            else _array(bytes(event.guardrail_violations)),
            _label(event.guardrail_action),
            _timestamp(8, (event.executed_at - _EPOCH) // _MICROSECOND),
            _label(event.environment),
            _label(event.model),
            _label(event.provider),
            _NULL if (tokens_in := event.input_tokens) is None else _integer(4, tokens_in),
            _NULL if (tokens_out := event.output_tokens) is None else _integer(4, tokens_out),
            _NULL if (experiment := event.experiment_id) is None else _uuid(16, experiment.int.to_bytes(16)),
            _NULL if (unit := event.assignment_unit) is None else _text(recorded_unit(unit)),
            # Older publishers send none of them: then nothing is looked up.
            _NULLS
            if (service := event.service) is None
            and event.content_sha256 is None
            and event.selection is None
            and event.prompt_source is None
            and event.registry_revision is None
            and event.language is None
            and event.attempt is None
            and event.experiment_phase is None
            else _serving(
                event.experiment_phase,
                event.prompt_source,
                event.selection,
                event.registry_revision,
                event.language,
                event.content_sha256,
                event.attempt,
                service,
            ),
        )
    )


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    encoded = value.encode()
    return _length(len(encoded)) + encoded


# Few values, many rows.
_label = lru_cache(maxsize=4096)(_text)


_NULLS = 8 * _NULL


# Few of these together too, and one lookup costs less than eight.
@lru_cache(maxsize=4096)
def _serving(  # noqa: PLR0917
    phase: int | None,
    source: str | None,
    selection: str | None,
    revision: int | None,
    language: str | None,
    content_sha256: str | None,
    attempt: int | None,
    service: str | None,
) -> bytes:
    return b"".join(
        (
            _NULL if phase is None else _integer(4, phase),
            _text(source),
            _text(selection),
            _NULL if revision is None else _bigint(8, revision),
            _text(language),
            _text(content_sha256),
            _NULL if attempt is None else _integer(4, attempt),
            _text(service),
        )
    )


def _json(value: bytes) -> bytes:
    return _jsonb(len(value) + 1, 1) + value  # 1: the version of jsonb's wire format


def _array(value: bytes) -> bytes:
    return _EMPTY_ARRAY if value == b"null" else _json(value)


_EMPTY_ARRAY = _json(b"[]")


def _cost(value: Decimal) -> bytes:
    # Three digits of base 10,000: four decimal digits before the point, eight after it, of which six are kept.
    # Quantized first: a product would be rounded to the context's 28 digits, and then once more.
    millionths = int(value.quantize(_MILLIONTH, ROUND_HALF_UP) * _MILLION)
    whole, fraction = divmod(millionths, 1_000_000)
    return _numeric(14, 3, 0, 0, 6, whole, *divmod(fraction * 100, 10_000))
