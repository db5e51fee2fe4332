"""The body of a message: odd values have a form in JSON, and what is too large is cut to fit."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from prompt_worker import ExecutionEvent
from prompt_worker.event.execution import InvalidEventError, parse
from prompt_worker.publishing.encoding.body import BODY_LIMIT, make_body
from tests.support.topic import an_event


def arrived(event: ExecutionEvent) -> dict[str, Any]:
    """The event as the worker will read it."""
    body, _ = make_body(event)
    parse(body)
    made: dict[str, Any] = json.loads(body)
    return made


# --- odd values ---


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Learner:
    name: str
    level: int


class Opaque:
    def __str__(self) -> str:
        return "opaque"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udfff\ud83d\ude00", "\ufffd😀"),
        (math.nan, None),
        (math.inf, None),
        ([1, -math.inf, "x\ud800"], [1, None, "x\ufffd"]),
        (10**40, 10**40),
        ({1, 2}, [1, 2]),
        ((1, "a"), [1, "a"]),
        ({"k\ud800": {"deep": "\ud800"}}, {"k\ufffd": {"deep": "\ufffd"}}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({(1, 2): "pair"}, {"(1, 2)": "pair"}),
        (Decimal("0.10"), "0.10"),
        (date(2026, 3, 1), "2026-03-01"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Colour.RED, "red"),
        (Learner("Ada \ud800", 3), {"name": "Ada \ufffd", "level": 3}),
        (Opaque(), "opaque"),
        ([Opaque(), 10**40, "\ud800"], ["opaque", 10**40, "\ufffd"]),
        (b"\x00\xff", "AP8="),
    ],
)
def test_variable_that_json_cannot_express_is_still_recorded(value: object, stored: object) -> None:
    assert arrived(an_event(input_variables={"v": value}))["input_variables"]["v"] == stored


@pytest.mark.parametrize(
    "field",
    [
        "rendered_prompt",
        "model_response",
        "error_message",
        "template_name",
        "user_id",
        "environment",
        "selection",
        "service",
        "assignment_unit",
    ],
)
def test_lone_surrogates_are_replaced_in_any_field(field: str) -> None:
    assert arrived(an_event(**{field: "a\ud83d\ude00\ud800"}))[field] == "a😀\ufffd"


# --- too large ---


def test_event_that_fits_is_not_changed() -> None:
    event = an_event(rendered_prompt="x" * 9_900_000)
    body, cut = make_body(event)
    assert (parse(body)[0].rendered_prompt, cut) == (event.rendered_prompt, [])


@pytest.mark.parametrize("character", ["x", "é", "😀", '"', "\x01"])
def test_prompt_that_is_too_long_is_cut_between_characters(character: str) -> None:
    event = an_event(rendered_prompt=character * 11_000_000)
    body, cut = make_body(event)
    stored = parse(body)[0]
    assert len(body) <= BODY_LIMIT < len(body) + 100
    assert set(stored.rendered_prompt) == {character}
    assert stored.model_response == event.model_response
    assert cut == ["rendered_prompt"]
    assert json.loads(bytes(stored.input_variables)) == event.input_variables | {
        "_truncated": {"rendered_prompt": 11_000_000}
    }
    assert len(event.rendered_prompt) == 11_000_000, "the caller's own event was changed"
    assert "_truncated" not in event.input_variables


def test_longest_texts_are_cut_first_and_to_one_length() -> None:
    event = an_event(
        rendered_prompt="p" * 8_000_000, model_response="r" * 9_000_000, error_message="e" * 1_000_000
    )
    body, cut = make_body(event)
    stored = parse(body)[0]
    assert cut == ["model_response", "rendered_prompt"]
    assert stored.error_message == event.error_message
    assert abs(len(stored.rendered_prompt) - len(stored.model_response or "")) <= 1
    assert json.loads(bytes(stored.input_variables))["_truncated"] == {
        "rendered_prompt": 8_000_000,
        "model_response": 9_000_000,
    }


def test_texts_in_variables_are_cut_after_the_others() -> None:
    variables = {
        "book": {"chapters": ["c" * 7_000_000, "d" * 7_000_000]},
        "title": "t" * 500,
        "n": 10**40,
        "f": 0.1,
    }
    event = an_event(rendered_prompt="p" * 3_000_000, input_variables=variables)
    body, cut = make_body(event)
    stored = json.loads(bytes(parse(body)[0].input_variables))
    assert BODY_LIMIT - 100 < len(body) <= BODY_LIMIT
    assert cut == ["input_variables", "rendered_prompt"]
    assert stored["_truncated"] == {
        "rendered_prompt": 3_000_000,
        "input_variables.book.chapters.0": 7_000_000,
        "input_variables.book.chapters.1": 7_000_000,
    }
    assert (stored["title"], stored["n"], stored["f"]) == ("t" * 500, 10**40, 0.1)


def test_variables_that_cannot_be_cut_are_omitted_and_named() -> None:
    event = an_event(input_variables={str(n): n for n in range(1_000_000)})
    stored = json.loads(bytes(parse(make_body(event)[0])[0].input_variables))
    assert list(stored) == ["_truncated"]
    assert stored["_truncated"]["input_variables"] > 9_950_000


def test_violations_that_cannot_be_cut_are_omitted_and_named() -> None:
    event = an_event(guardrail_violations=[{"details": {"at": n}} for n in range(450_000)])
    body, cut = make_body(event)
    assert "guardrail_violations" in cut
    assert json.loads(body)["guardrail_violations"] == []
    assert json.loads(body)["input_variables"]["topic"] == "fractions"


def test_thousands_of_texts_are_cut_in_one_event() -> None:
    event = an_event(input_variables={f"v{n}": "y" * 2_500 for n in range(8_000)})
    body, cut = make_body(event)
    stored = json.loads(bytes(parse(body)[0].input_variables))
    assert BODY_LIMIT - 200_000 < len(body) <= BODY_LIMIT
    assert "input_variables" in cut
    assert set(stored["_truncated"]) >= {f"input_variables.v{n}" for n in range(8_000)}


def test_event_that_is_too_large_after_cutting_is_refused() -> None:
    with pytest.raises(InvalidEventError) as caught:
        make_body(an_event(user_id="u" * 11_000_000))
    assert caught.value.error_class == "too_large"


def test_received_event_is_cut_as_well() -> None:
    """`prompt-worker publish` hands on what it parsed, whose JSON fields are bytes."""
    raw = make_body(an_event(input_variables={"n": 10**40}, rendered_prompt="x" * 9_000_000))[0]
    event, _ = parse(raw)
    event.model_response = "y" * 9_000_000
    stored = json.loads(make_body(event)[0])
    assert stored["input_variables"]["n"] == 10**40
    assert set(stored["input_variables"]["_truncated"]) == {"rendered_prompt", "model_response"}
