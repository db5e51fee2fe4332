"""A template's text and the values in it: nothing is lost, escaped, trimmed or read as anything but text."""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from prompt_worker.prompts.errors import RenderError, VariablesError
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from tests.support.prompts import rendered, stored

SYNTAX = ("{{", "}}", "{%", "%}", "{#", "#}", "{% raw %}", "{{ 7 * 7 }}", "{% include 'x' %}", "{{ self }}")
PIECES = (*SYNTAX, "\\", "\n", "\r\n", "\t", "&", "<", ">", '"', "'", "é", "😀", "\u2028", "\x00", "$&", "%s")


def random_text(chance: random.Random) -> str:
    return "".join(chance.choice([*PIECES, *string.ascii_letters, " "]) for _ in range(chance.randrange(60)))


def random_json(chance: random.Random, depth: int = 3) -> Any:
    if depth and chance.random() < 0.3:
        size = chance.randrange(4)
        if chance.random() < 0.5:
            return [random_json(chance, depth - 1) for _ in range(size)]
        return {random_text(chance): random_json(chance, depth - 1) for _ in range(size)}
    scalars = (
        random_text(chance),
        chance.randrange(-(10**20), 10**20),
        chance.uniform(-1e6, 1e6),
        chance.random() < 0.5,
        None,
    )
    return chance.choice(scalars)


def test_random_value_is_printed_byte_for_byte() -> None:
    chance = random.Random(1)
    for _ in range(150):
        # Without line ends of other systems, which a template's own text does not keep.
        before, after = (random_text(chance).replace("\r\n", "\n") for _ in range(2))
        value = random_text(chance)
        text = f"{{% raw %}}{before}{{% endraw %}}{{{{ value }}}}{{% raw %}}{after}{{% endraw %}}"
        assert rendered(text, {"value": value}) == f"{before}{value}{after}"


def test_random_value_is_never_rendered_again() -> None:
    """Through filters, loops, concatenation and JSON."""
    chance = random.Random(2)
    template = Snapshot.build(
        [
            stored(
                "a",
                "{{ a | trim }}|{{ [a, b] | join('-') }}|{{ a ~ b }}|{{ a + b }}|"
                "{% for x in [a, b] %}<{{ x }}>{% endfor %}|{{ a if b else a }}",
            )
        ]
    ).active("a")
    for _ in range(1_000):
        a, b = random_text(chance), random_text(chance)
        shown = template.render({"a": a, "b": b}).text
        assert shown == f"{a.strip()}|{a}-{b}|{a}{b}|{a}{b}|<{a}><{b}>|{a}"


def test_random_json_reads_back_as_it_was_given() -> None:
    chance = random.Random(3)
    template = Snapshot.build([stored("a", "{{ value | tojson }}")]).active("a")
    for _ in range(1_000):
        value = random_json(chance)
        assert json.loads(template.render({"value": value}).text) == value


@pytest.mark.parametrize("value", ['3 < 4 & "é"', r"C:\new\1 \x", "{{a}}", "{% if %}", "\u2028 </script>"])
def test_text_is_printed_byte_for_byte(value: str) -> None:
    assert rendered("[{{ value }}]", {"value": value}) == f"[{value}]"
    assert rendered(f"[{{% raw %}}{value}{{% endraw %}}]") == f"[{value}]"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0, "0"), (False, "false"), (True, "true"), ("", ""), (1.5, "1.5"), (10**20, str(10**20))],
)
def test_scalar_is_printed_as_json_has_it(value: Any, shown: str) -> None:
    assert rendered("[{{ value }}]", {"value": value}) == f"[{shown}]"
    assert rendered("{{ [value] | join }}{{ '' ~ value }}", {"value": value}) == shown * 2


@pytest.mark.parametrize("value", [[], [1], {}, {"a": 1}, (1, 2)])
@pytest.mark.parametrize(
    "text", ["{{ value }}", "{{ [value] | join }}", "{{ 'a' ~ value }}", "{{ value | upper }}"]
)
def test_bare_list_or_object_is_an_error(value: Any, text: str) -> None:
    with pytest.raises(RenderError, match="use join or tojson"):
        rendered(text, {"value": value})


@pytest.mark.parametrize("text", ["end\n", "end\n\n", "end", "\n", "", " \n\t", "{{ value }}\n"])
def test_final_newline_stays(text: str) -> None:
    assert rendered(text, {"value": "x"} if "value" in text else {}) == text.replace("{{ value }}", "x")


def test_json_letters_stay_letters() -> None:
    assert (
        rendered("{{ value | tojson }}", {"value": {"b": "é<&>'", "a": "😀"}}) == '{"b": "é<&>\'", "a": "😀"}'
    )


class Colour(Enum):
    RED = "red"


@dataclass
class Student:
    name: str
    grade: int


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Student("Ada", 8), '{"name": "Ada", "grade": 8}'),
        (Colour.RED, '"red"'),
        (Decimal("1.50"), '"1.50"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
        ({1: {"a"}}, '{"1": ["a"]}'),
        ("\ud800", '"\ufffd"'),
    ],
)
def test_object_becomes_plain_json_first(value: Any, shown: str) -> None:
    assert rendered("{{ value | tojson }}", {"value": value}) == shown


def test_key_that_is_a_methods_name_is_the_key() -> None:
    assert rendered("{{ order.items }}-{{ order.get }}", {"order": {"items": 3, "get": "x"}}) == "3-x"


@pytest.mark.parametrize("value", [iter([1]), print, float("nan"), float("inf"), Student])
def test_value_without_a_form_is_refused(value: Any) -> None:
    with pytest.raises(VariablesError, match="value is"):
        rendered("{{ value }}", {"value": value})


def test_circular_value_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(VariablesError, match="circle"):
        rendered("{{ value | tojson }}", {"value": circle})


def test_error_holds_neither_text_nor_values() -> None:
    secret = "Jane Doe, 536-90-4399"
    for text in ("{{ value.nobody }} the words", "{{ value + 1 }} the words", "{{ {}[value] }} the words"):
        with pytest.raises(RenderError) as caught:
            rendered(text, {"value": secret})
        assert "Jane" not in str(caught.value)
        assert "words" not in str(caught.value)
        assert "(line 1)" in str(caught.value)
        assert caught.value.__suppress_context__
