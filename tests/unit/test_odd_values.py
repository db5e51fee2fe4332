"""Any value of a variable reaches the event: a number as a number, all of it, and what cannot be shown as a marker."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import fractions
import json
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
import numpy as np
import pytest

from prompt_worker.event.execution import parse
from prompt_worker.publishing.encoding.body import make_body
from prompt_worker.publishing.encoding.message import make_message
from tests.support.topic import an_event


def stored(value: Any) -> Any:
    """What the worker reads of a variable, through all that a publisher does."""
    message = make_message(make_body(an_event(input_variables={"v": value}))[0], "s", {})
    return json.loads(bytes(parse(bytes(message.data))[0].input_variables))["v"]


class Score(float):
    def __repr__(self) -> str:
        return "SCORE"


class Level(int):
    def __str__(self) -> str:
        return "LEVEL"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "TEXT"


class Grade(enum.IntEnum):
    A = 1


class Weight(enum.Enum):
    HALF = 0.5
    PAIR = (1, 2)


class Hostile:
    def __str__(self) -> str:
        raise ValueError("SECRET")


class Gone:
    """Raises whatever it is asked for."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("SECRET")


@dataclasses.dataclass
class Answer:
    text: str
    score: Any


@attrs.define
class Reply:
    text: str
    score: Any


class Choice(msgspec.Struct):
    text: str
    score: Any


class Model:
    """As pydantic's: what it is made of comes from a method."""

    def model_dump(self) -> dict[str, Any]:
        return {"text": "t", "score": np.float64(0.5)}


class Rows(collections.UserList[int]):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.longdouble(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("text"), "text"),
        (np.datetime64("2026-03-01"), "2026-03-01"),
        (Score(0.5), 0.5),
        (Score("inf"), None),
        (Level(3), 3),
        (Text("text"), "text"),
        (Grade.A, 1),
        (Weight.HALF, 0.5),
        (Weight.PAIR, [1, 2]),
        (fractions.Fraction(1, 3), "1/3"),
        (1j, "1j"),
        (10**4000, 10**4000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_number_stays_a_number(value: object, expected: object) -> None:
    for found, right in ((stored(value), expected), (stored({"a": [value, "\ud800"]})["a"][0], expected)):
        assert (found, type(found)) == (right, type(right))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(5000), list(range(5000))),
        (np.eye(40), np.eye(40).tolist()),
        (np.array([1, "a", None, {2}], dtype=object), [1, "a", None, [2]]),
        (np.array([0.5, np.nan]), [0.5, None]),
        (array.array("d", [0.5] * 2000), [0.5] * 2000),
        (collections.deque([1, 2]), [1, 2]),
        (Rows([1, 2]), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (collections.OrderedDict(b=1, a=np.int64(2)), {"b": 1, "a": 2}),
        (collections.defaultdict(list, a=[np.int64(2)]), {"a": [2]}),
        (Answer("t", np.float64(0.5)), {"text": "t", "score": 0.5}),
        (Reply("t", np.float64(0.5)), {"text": "t", "score": 0.5}),
        (Choice("t", np.float64(0.5)), {"text": "t", "score": 0.5}),
        (Answer("t", Answer("u", {1, 2})), {"text": "t", "score": {"text": "u", "score": [1, 2]}}),
        (Model(), {"text": "t", "score": 0.5}),
        ({"at": datetime(2026, 3, 1, tzinfo=UTC), "x": 1j}, {"at": "2026-03-01T00:00:00Z", "x": "1j"}),
        (range(10**12), "range(0, 1000000000000)"),
        (int, "<class 'int'>"),
    ],
)
def test_value_is_kept_whole(value: object, expected: object) -> None:
    assert stored(value) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({1: "a", "1": "b"}, {"1": "a", "1 (2)": "b"}),
        ({"1 (2)": "c", 1: "a", "1": "b"}, {"1 (2)": "c", "1": "a", "1 (3)": "b"}),
        (
            {1.5: "a", "1.5": "b", None: "c", "None": "d"},
            {"1.5": "a", "1.5 (2)": "b", "None": "c", "None (2)": "d"},
        ),
        (dict(zip("\ud800\udfff", "ab", strict=True)), {"\ufffd": "a", "\ufffd (2)": "b"}),
        ({np.int64(1): "a", "1": "b", Text("t"): "c"}, {"1": "a", "1 (2)": "b", "t": "c"}),
        ({Hostile(): 1}, {"<Hostile that cannot be shown>": 1}),
        ({10**5000: 1}, {"<integer of about 5,001 digits>": 1}),
    ],
)
def test_each_key_keeps_its_value(keys: dict[Any, Any], expected: dict[str, Any]) -> None:
    assert stored(keys) == expected
    assert stored([keys, 1j])[0] == expected


@pytest.mark.parametrize(
    ("value", "marker"),
    [
        (Hostile(), "<Hostile that cannot be shown>"),
        (10**5000, "<integer of about 5,001 digits>"),
        (-(10**5000), "<integer of about 5,001 digits>"),
    ],
    ids=["hostile", "positive", "negative"],
)
def test_value_that_cannot_be_shown_leaves_a_marker(value: object, marker: str) -> None:
    assert stored(value) == marker
    assert stored({"beside": 0.5, "it": value}) == {"beside": 0.5, "it": marker}


def test_value_that_raises_at_everything_leaves_a_marker() -> None:
    assert stored(Gone()) == "<Gone that cannot be shown>"
    assert stored([Gone(), 1]) == ["<Gone that cannot be shown>", 1]


def test_value_that_holds_itself_ends_in_a_marker() -> None:
    circle: dict[str, Any] = {"n": 1}
    circle["self"] = circle
    assert stored(circle) == {"n": 1, "self": "<circular reference>"}
    ring: list[Any] = [1]
    ring += [ring, {"ring": ring}]
    assert stored(ring) == [1, "<circular reference>", {"ring": "<circular reference>"}]
    answer = Answer("t", None)
    answer.score = [answer]
    assert stored(answer) == {"text": "t", "score": ["<circular reference>"]}


def test_value_that_occurs_twice_is_no_circle() -> None:
    shared = {"n": np.int64(1)}
    assert stored([shared, shared, {"again": shared}]) == [{"n": 1}, {"n": 1}, {"again": {"n": 1}}]


def nested(levels: int) -> Any:
    value: Any = "deep"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("levels", [1_500, 100_000])
def test_value_of_many_levels_is_cut_at_depth(levels: int) -> None:
    found, depth = stored(nested(levels)), 0
    while isinstance(found, dict | list):
        found, depth = found["a"] if isinstance(found, dict) else found[0], depth + 1
    assert found == "<nested too deeply>"
    assert depth >= 400


def test_event_arrives_from_a_stack_that_is_almost_full() -> None:
    def deep(left: int) -> Any:
        return deep(left - 1) if left else stored({"levels": nested(400), "score": np.float64(0.5)})

    frame, depth = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        depth += 1
    assert deep(sys.getrecursionlimit() - depth - 100)["score"] == 0.5


def test_iterators_are_named_and_not_read() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    async def later() -> None:
        pass

    generator, coroutine = numbers(), later()
    assert stored(generator) == "<generator, not read>"
    assert stored({"m": map(str, [1])}) == {"m": "<map, not read>"}
    assert stored(coroutine) == "<coroutine, not read>"
    coroutine.close()
    assert list(generator) == [1, 2]


def test_numpy_numbers_fill_in_any_field() -> None:
    event = an_event(
        template_version=np.int64(3),
        input_tokens=np.int32(5),
        output_tokens=np.float64(6.0),
        execution_time_ms=np.float64(411.6),
        cost_usd=np.float64(0.25),
        guardrail_violations=[{"details": {"score": np.float32(0.5)}}],
    )
    found = parse(bytes(make_message(make_body(event)[0], "s", {}).data))[0]
    assert (found.template_version, found.input_tokens, found.output_tokens) == (3, 5, 6)
    assert (found.execution_time_ms, str(found.cost_usd)) == (412, "0.25")
    assert json.loads(bytes(found.guardrail_violations)) == [{"details": {"score": 0.5}}]


def test_given_values_are_not_changed() -> None:
    rows = [np.int64(1), ["\ud800"]]
    given = {"rows": rows, 1: "a", "1": "b"}
    stored(given)
    assert list(given) == ["rows", 1, "1"]
    assert (type(rows[0]), rows[1]) == (np.int64, ["\ud800"])
