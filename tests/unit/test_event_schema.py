"""The published JSON Schema is the code's own type, and says what the worker will accept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from prompt_worker.event.execution import INTEGERS, ExecutionEvent, InvalidEventError, encode, parse
from prompt_worker.event.json_schema import PATH, event_schema, text

VALID = Draft202012Validator(event_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)

FULL = ExecutionEvent(
    template_name="topic_extraction",
    template_version=1,
    rendered_prompt="Which topics?",
    status="failure",
    input_variables={"text": "…"},
    template_id=uuid4(),
    ab_test_group="control",
    user_id="u",
    session_id="s",
    request_id=uuid4(),
    model_response="",
    model="m",
    provider="p",
    input_tokens=1,
    output_tokens=2,
    token_count=3,
    cost_usd=Decimal("0.000010"),
    execution_time_ms=0,
    error_type="TimeoutError",
    error_message="too late",
    guardrail_action="block",
    guardrail_violations=[{"guardrail_name": "pii"}],
    environment="dev",
    experiment_id=uuid4(),
    experiment_phase=1,
    assignment_unit="u",
    prompt_source="live",
    selection="label:beta",
    registry_revision=417,
    language="de-AT",
    content_sha256="0f" * 32,
    attempt=1,
    service="tutor",
)


def fields(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(encode(FULL))
    return {name: value for name, value in (made | changes).items() if value is not ...}


def test_committed_schema_equals_the_generated_one() -> None:
    assert PATH.read_text() == text(), "run: python -m prompt_worker.event.json_schema --write"


def test_every_integer_may_be_written_as_a_float() -> None:
    kinds = {
        name: {each.get("type") for each in field.get("anyOf", [field])}
        for name, field in event_schema()["properties"].items()
    }
    assert {name for name, kind in kinds.items() if "integer" in kind} == set(INTEGERS)


def test_schema_is_valid_and_names_every_field() -> None:
    Draft202012Validator.check_schema(event_schema())
    assert set(event_schema()["properties"]) == set(ExecutionEvent.__struct_fields__)


def test_encoded_events_are_valid_against_the_schema() -> None:
    VALID.validate(json.loads(encode(FULL)))
    VALID.validate(
        json.loads(
            encode(
                ExecutionEvent(
                    template_name="t",
                    template_version=1,
                    rendered_prompt="",
                    status="success",
                    input_variables={},
                )
            )
        )
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"field_of_tomorrow": 1},
        {"cost_usd": 0.5},
        {"cost_usd": "1"},
        {"cost_usd": "1e-4"},
        {"model_response": None},
        {"guardrail_violations": None},
        {"executed_at": datetime.now(UTC).isoformat()},
        *[{name: 412.0} for name in INTEGERS],
        {"registry_revision": 1e10},
        {"registry_revision": 2**63 - 1},
        {"assignment_unit": "u" * 255, "selection": "s" * 50, "language": "l" * 35, "service": "s" * 100},
        {"execution_time_ms": 4.12e2, "input_tokens": 0.0, "output_tokens": -0.0},
    ],
)
def test_schema_and_worker_both_accept(changes: dict[str, Any]) -> None:
    VALID.validate(fields(**changes))
    parse(json.dumps(fields(**changes)).encode())


@pytest.mark.parametrize(
    "changes",
    [
        *[{name: ...} for name in event_schema()["required"]],
        {"event_id": "17"},
        {"template_name": ""},
        {"template_version": 0},
        {"token_count": 2**31},
        {"status": "ok"},
        {"cost_usd": "NaN"},
        {"cost_usd": -1},
        {"cost_usd": 10_000},
        {"input_variables": []},
        {"guardrail_violations": {}},
        {"guardrail_action": "maybe"},
        {"environment": "e" * 51},
        *[{name: 1.5} for name in INTEGERS],
        *[{name: 1e19} for name in INTEGERS],
        *[{name: 1e10} for name in INTEGERS if name != "registry_revision"],
        {"experiment_phase": 0},
        {"assignment_unit": "u" * 256},
        {"prompt_source": "cache"},
        {"selection": "s" * 51},
        {"registry_revision": -1},
        {"registry_revision": 2**63},
        {"language": "l" * 36},
        {"content_sha256": "F" * 64},
        {"content_sha256": "f" * 63},
        {"content_sha256": "f" * 64 + "\n"},
        {"attempt": 0},
        {"service": "s" * 101},
        {"execution_time_ms": -1.0},
        {"template_version": 0.0},
    ],
)
def test_schema_and_worker_both_refuse(changes: dict[str, Any]) -> None:
    assert not VALID.is_valid(fields(**changes))
    with pytest.raises(InvalidEventError):
        parse(json.dumps(fields(**changes)).encode())
