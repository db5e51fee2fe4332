"""Feedback on its way: what its schema and the worker accept alike, and what a publisher makes of odd values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from prompt_worker import Publisher
from prompt_worker.event.feedback import FeedbackEvent, encode, parse
from prompt_worker.event.json_schema import FEEDBACK_PATH, feedback_schema, text
from prompt_worker.event.refusal import InvalidEventError
from prompt_worker.feedback.rows import encode_row
from prompt_worker.platform.failures import SettingsError
from prompt_worker.publishing.encoding.feedback import make_feedback_body, make_feedback_message
from prompt_worker.publishing.publisher import SPOOLED
from tests.support.feedback import feedback, feedback_body

VALID = Draft202012Validator(feedback_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)


def an_event(**fields: Any) -> FeedbackEvent:
    return FeedbackEvent(
        **({"request_id": uuid4(), "name": "helpful", "value": 1, "source": "user"} | fields)
    )


def published(**fields: Any) -> dict[str, Any]:
    """The event as the worker would read it."""
    message = make_feedback_message(make_feedback_body(an_event(**fields))[0], "tutor", {})
    event, _ = parse(bytes(message.data))
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_committed_schema_equals_the_generated_one() -> None:
    assert FEEDBACK_PATH.read_text() == text(FEEDBACK_PATH), (
        "run: python -m prompt_worker.event.json_schema --write"
    )
    Draft202012Validator.check_schema(feedback_schema())
    assert set(feedback_schema()["properties"]) == set(FeedbackEvent.__struct_fields__)
    VALID.validate(json.loads(encode(an_event())))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        *[{"value": value} for value in (-1, 0, 1, 0.5, -1.0, True, False, 1e-300, -0.0)],
        {"name": "n" * 50, "source": "s" * 100},
        {"name": "klärend?", "source": "ユーザー"},
        {"of_tomorrow": {}},
    ],
)
def test_schema_and_worker_both_accept(fields: dict[str, Any]) -> None:
    VALID.validate(feedback(**fields))
    encode_row(parse(feedback_body(**fields))[0])


@pytest.mark.parametrize(
    "fields",
    [
        *[{name: ...} for name in feedback_schema()["required"]],
        *[{name: None} for name in feedback_schema()["required"]],
        *[{"value": value} for value in (1.0000001, -2, 1e308, "1", "", [1], {"v": 1})],
        {"request_id": "request-17"},
        {"event_id": 17},
        {"name": ""},
        {"name": "n" * 51},
        {"source": ""},
        {"source": "s" * 101},
    ],
)
def test_schema_and_worker_both_refuse(fields: dict[str, Any]) -> None:
    assert not VALID.is_valid(feedback(**fields))
    with pytest.raises(InvalidEventError) as refused:
        parse(feedback_body(**fields))
    assert refused.value.error_class == "invalid_field"


@pytest.mark.parametrize(
    ("body", "error_class"),
    [
        (feedback_body(value="VALUE").replace(b'"VALUE"', b"NaN"), "invalid_json"),
        (feedback_body(value="VALUE").replace(b'"VALUE"', b"-Infinity"), "invalid_json"),
        (feedback_body(value="VALUE").replace(b'"VALUE"', b"1e999"), "invalid_field"),
        (feedback_body(name="NAME").replace(b"NAME", b"\xff"), "invalid_utf8"),
        (feedback_body(at="yesterday"), "invalid_field"),
        (feedback_body(at="1999-12-31T00:00:00Z"), "invalid_field"),
        (feedback_body(at="2900-01-01T00:00:00Z"), "invalid_field"),
        (feedback_body(at="2026-03-04T05:06:07"), "invalid_field"),
        (feedback_body(x="DEEP").replace(b'"DEEP"', b"[" * 5_000 + b"]" * 5_000), "invalid_json"),
        (b"[]", "invalid_field"),
        (b"", "invalid_json"),
    ],
)
def test_worker_says_why_it_refuses_without_the_text(body: bytes, error_class: str) -> None:
    with pytest.raises(InvalidEventError) as refused:
        parse(body)
    assert refused.value.error_class == error_class
    assert "2900" not in str(refused.value)


def test_nul_and_lone_surrogates_are_replaced() -> None:
    event, replaced = parse(feedback_body(name="a\0b", source="x").replace(b'"x"', rb'"\ud800"'))
    assert (event.name, event.source, replaced) == ("a\ufffdb", "\ufffd", 2)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, 1.0),
        (False, 0.0),
        (1.0000000000000002, 1.0),
        (-1.0000000000000002, -1.0),
        (1 / 3, 0.333333),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.array(0.5), 0.5),
        (np.int64(-1), -1.0),
    ],
)
def test_any_kind_of_number_is_published(value: Any, kept: float) -> None:
    assert published(value=value)["value"] == kept


class Odd:
    def __float__(self) -> float:
        raise KeyError("secret")


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1.00001, 10**400, "1", b"1", None, [1], 1j, Odd()]
)
def test_value_that_is_no_number_from_minus_one_to_one_is_refused(value: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"Expected a number from -1 to 1 - at `\$.value`") as refused:
        published(value=value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": "a\ud800"}, "a\ufffd"),
        ({"name": "a\0"}, "a\ufffd"),
        ({"name": 17}, None),
        ({"name": "n" * 51}, None),
    ],
)
def test_odd_name_is_replaced_or_refused(fields: dict[str, Any], name: str | None) -> None:
    if name is None:
        with pytest.raises(InvalidEventError, match=r"\$.name"):
            published(**fields)
    else:
        assert published(**fields)["name"] == name


def test_message_has_the_attributes_of_an_event() -> None:
    event = an_event()
    message = make_feedback_message(make_feedback_body(event)[0], "tutor", {"traceparent": "t"})
    assert message.attributes == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(event.event_id),
        "ce-type": "prompt.feedback.v1",
        "ce-source": "tutor",
        "ce-time": event.at.isoformat(),
        "traceparent": "t",
    }


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Publisher]:
    """A publisher that reaches no broker, with a spool."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    return lambda **given: Publisher("p-1", spool=tmp_path, source="tutor", **given)


def test_feedback_waits_in_a_spool_of_its_own(offline: Callable[..., Publisher], tmp_path: Path) -> None:
    publisher = offline()
    given = publisher.feedback(request_id=str(uuid4()), name="helpful", value=True)
    refused = publisher.feedback(request_id="17", name="helpful", value=1)
    assert publisher.close(timeout=0.1).spooled == 1
    assert given.result() == SPOOLED
    assert isinstance(refused.exception(), InvalidEventError)
    assert publisher.counts == (0, 1, 0, 1)
    (line,) = [path.read_text() for path in (tmp_path / "p-1" / "prompt-feedback").iterdir()]
    assert json.loads(line)["data"]["source"] == "tutor"
    assert [*(tmp_path / "p-1" / "prompt-executions").iterdir()] == []


def test_wrong_topics_are_named_all_at_once(offline: Callable[..., Publisher]) -> None:
    with pytest.raises(SettingsError) as wrong:
        offline(topic="!", feedback_topic="?")
    assert "PROMPT_EXECUTIONS_TOPIC: '!'" in str(wrong.value)
    assert "PROMPT_FEEDBACK_TOPIC: '?'" in str(wrong.value)
    with pytest.raises(SettingsError, match="the same topic as PROMPT_EXECUTIONS_TOPIC"):
        offline(topic="one", feedback_topic="one")
