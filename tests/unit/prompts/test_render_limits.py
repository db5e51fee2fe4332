"""A template that costs too much ends, whatever it does, with a sentence."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from prompt_worker.prompts.errors import PromptError, RenderLimitError
from prompt_worker.prompts.template.bounds import OUTPUT_LIMIT
from tests.support.prompts import EXPENSIVE, rendered


@pytest.mark.parametrize("text", EXPENSIVE.values(), ids=EXPENSIVE.keys())
def test_expensive_template_ends_soon(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(PromptError):
        rendered(text)
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    "name", ["a doubled text", "a replacement", "indented JSON", "slices of a long text"]
)
def test_expensive_template_uses_little_memory(name: str) -> None:
    text = EXPENSIVE[name]
    tracemalloc.start()
    with pytest.raises(PromptError):
        rendered(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000_000


def test_long_value_is_printed_up_to_the_limit() -> None:
    assert len(rendered("{{ value }}", {"value": "é" * OUTPUT_LIMIT})) == OUTPUT_LIMIT
    with pytest.raises(RenderLimitError, match="4,000,000 characters"):
        rendered("{{ value }}!", {"value": "é" * OUTPUT_LIMIT})


def test_ordinary_loop_over_many_items_is_rendered() -> None:
    items = [{"name": f"n{at}", "score": at} for at in range(10_000)]
    shown = rendered(
        "{% for item in items %}{{ loop.index }}. {{ item.name }}\n{% endfor %}", {"items": items}
    )
    assert shown.count("\n") == 10_000
    assert shown.endswith("10000. n9999\n")


def test_arithmetic_of_ordinary_size_works() -> None:
    text = (
        "{{ 2 ** 10 }} {{ 7 % 4 }} {{ (60 * 2.4) | round | int }} {{ 'ab' * 3 }} {{ ([1] + [2]) | length }}"
    )
    assert rendered(text) == "1024 3 144 ababab 2"
