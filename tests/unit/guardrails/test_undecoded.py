"""Variables that are decoded while they are walked are the same texts as those decoded at once."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import msgspec
import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.guardrails import undecoded
from prompt_worker.guardrails.recording import received
from prompt_worker.guardrails.variables import path_of, walk
from tests.support.events import with_raw

NAMES = ("name", "a b", "é", "1", "x" * 80)
LEAVES = ("text", "", "é\u2028😀", 0, -1.5, 10**30, True, None, [], {})


def value(rng: random.Random, depth: int) -> Any:
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(LEAVES)
    entries = [value(rng, depth - 1) for _ in range(rng.randrange(6))]
    return (
        entries if rng.random() < 0.5 else {rng.choice(NAMES) + str(n): one for n, one in enumerate(entries)}
    )


def walked(variables: Any) -> list[tuple[str, str]]:
    return [(path_of(steps), text) for steps, text in walk(variables, decoded=True)]


def test_undecoded_parts_are_walked_like_decoded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undecoded, "AT_ONCE", 20)
    monkeypatch.setattr(undecoded, "_OBJECT", 10_000)
    for seed in range(500):
        written = json.dumps({"all": value(random.Random(seed), 6)}).encode()
        assert walked(undecoded.opened(msgspec.Raw(written))) == walked(msgspec.json.decode(written))


def test_large_value_deep_inside_others_is_read_in_moments() -> None:
    objects = b",".join([b'{"a":{"b":"c"}}'] * 150_000)
    started = time.thread_time()
    variables = undecoded.opened(msgspec.Raw(b'{"all":' + b"[" * 800 + objects + b"]" * 800 + b"}"))
    assert sum(1 for _ in walk(variables, decoded=True)) == 150_000
    # Each of 800 levels read on its own takes 50 times as long.
    assert time.thread_time() - started < 5


@pytest.mark.parametrize(
    ("written", "texts"),
    [
        (b'["\xff call 536-90-4399"]', ["\N{REPLACEMENT CHARACTER} call 536-90-4399"]),
        (b"[1" + b"0" * 5000 + b"]", ["1" + "0" * 5000]),
        (b"[1e999]", ["1e999"]),
        (b'["\\ud800 call"]', ["\ud800 call"]),
    ],
    ids=["wrong encoding", "5,000 digits", "no float", "half a character"],
)
def test_undecoded_value_that_msgspec_refuses_is_still_judged(written: bytes, texts: list[str]) -> None:
    assert [text for _, text in walk({"all": msgspec.Raw(written)}, decoded=True)] == texts


@pytest.mark.parametrize(
    "field", ["input_variables", "rendered_prompt", "model_response", "guardrail_violations"]
)
@pytest.mark.parametrize(
    "shape", ['"text"', "null", '["one", {"guardrail_name": "two"}]', '{"a": ["b"]}', "12"]
)
def test_large_event_has_the_texts_of_a_small_one(field: str, shape: str) -> None:
    small = with_raw(field, shape.encode(), user_id="someone")
    large = small[:-1] + b',"metadata":{"a":"' + b"x" * undecoded.AT_ONCE + b'"}}'
    texts, inline = [], []
    for sent in (small, large):
        event = received.receive(Message(sent, {}, ""))
        assert event is not None
        execution = event.execution(None)
        texts.append([execution.prompt, execution.response, walked(execution.variables)])
        inline.append(list(event.inline_violations(10)))
    assert texts[0] == texts[1]
    assert inline[0] == inline[1]
