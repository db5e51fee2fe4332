"""An event as a row of PostgreSQL's binary COPY format, in the column order of `sql/write_executions.sql`."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from uuid import UUID

from prompt_worker.event.execution import NO_VIOLATIONS, ReceivedEvent
from prompt_worker.event.unit import recorded_unit
from prompt_worker.platform.postgres.binary_copy import (
    EPOCH,
    MICROSECOND,
    NULL,
    label,
    length,
    six_places,
    text,
)

_head = Struct(">hi16si16s").pack
_uuid = Struct(">i16s").pack
_integer = Struct(">ii").pack
_bigint = Struct(">iq").pack
_jsonb = Struct(">ib").pack


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
            label(event.template_name),
            _integer(4, event.template_version),
            label(event.ab_test_group),
            text(event.user_id),
            NULL if event.request_id is None else _uuid(16, event.request_id.int.to_bytes(16)),
            text(event.session_id),
            _jsonb(len(variables) + 1, 1),
            variables,
            length(len(prompt)),
            prompt,
            text(event.model_response),
            NULL if (elapsed := event.execution_time_ms) is None else _integer(4, elapsed),
            NULL if tokens is None else _integer(4, tokens),
            NULL if event.cost_usd is None else six_places(event.cost_usd),
            label(event.status),
            text(event.error_message),
            label(event.error_type),
            _EMPTY_ARRAY
            if event.guardrail_violations is NO_VIOLATIONS
            else _array(bytes(event.guardrail_violations)),
            label(event.guardrail_action),
            _bigint(8, (event.executed_at - EPOCH) // MICROSECOND),
            label(event.environment),
            label(event.model),
            label(event.provider),
            NULL if (tokens_in := event.input_tokens) is None else _integer(4, tokens_in),
            NULL if (tokens_out := event.output_tokens) is None else _integer(4, tokens_out),
            NULL if (experiment := event.experiment_id) is None else _uuid(16, experiment.int.to_bytes(16)),
            NULL if (unit := event.assignment_unit) is None else text(recorded_unit(unit)),
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


_NULLS = 8 * NULL


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
            NULL if phase is None else _integer(4, phase),
            text(source),
            text(selection),
            NULL if revision is None else _bigint(8, revision),
            text(language),
            text(content_sha256),
            NULL if attempt is None else _integer(4, attempt),
            text(service),
        )
    )


def _json(value: bytes) -> bytes:
    return _jsonb(len(value) + 1, 1) + value  # 1: the version of jsonb's wire format


def _array(value: bytes) -> bytes:
    return _EMPTY_ARRAY if value == b"null" else _json(value)


_EMPTY_ARRAY = _json(b"[]")
