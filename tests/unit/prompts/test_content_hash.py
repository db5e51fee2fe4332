"""`content_sha256`: one hash for one content, whoever computes it; the vectors are kept for ever."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import pytest

from prompt_worker.prompts.content import Content, Message, canonical_json, make_content
from tests.unit.prompts.test_rendering import random_json

VECTORS: list[tuple[Content, str, str]] = [
    (
        Content(template_text="Hello"),
        '{"messages":null,"model_config":{},"output_schema":null,"template_text":"Hello","translations":{},'
        '"variables":[]}',
        "edb6cebcc71b0c731f9f7b5acab0df18b04839259f1c9d7829174cd1905fa628",
    ),
    (
        Content(
            template_text='Say "hi"\n\tto {{ name }} 😀\x1f\x7f\u2028',
            variables={"name": {"type": "string", "required": True, "max_chars": 8000}},
            model_config={
                "temperature": 0.20,
                "top_p": 1.0,
                "seed": 12345678901234567890,
                "é": 1e-7,
                "a": 1e21,
            },
            output_schema={"type": "object", "b": [], "a": None},
            translations={"de": "Sag {{ name }} hallo", "de-AT": "Servus {{ name }}"},
        ),
        '{"messages":null,'
        '"model_config":{"a":1000000000000000000000,"seed":12345678901234567890,"temperature":0.2,"top_p":1,'
        '"é":0.0000001},"output_schema":{"a":null,"b":[],"type":"object"},'
        '"template_text":"Say \\"hi\\"\\n\\tto {{ name }} 😀\\u001f\x7f\u2028",'
        '"translations":{"de":"Sag {{ name }} hallo","de-AT":"Servus {{ name }}"},'
        '"variables":{"name":{"max_chars":8000,"required":true,"type":"string"}}}',
        "602fb320683cfdbd6358fdf9e572ab241806bc4b64c385b585224fc5a4e265a1",
    ),
    (
        make_content(
            "",
            (
                Message(role="system", content="Be brief.\r\n"),
                Message(history="turns"),
                Message(role="user", content="{{ q }}"),
            ),
            {},
            variables=["q", "turns"],
        ),
        '{"messages":[{"content":"Be brief.\\n","role":"system"},{"history":"turns"},'
        '{"content":"{{ q }}","role":"user"}],"model_config":{},"output_schema":null,'
        '"template_text":"Be brief.\\n\\n\\n{{ q }}","translations":{},"variables":["q","turns"]}',
        "07849b57eaa4e0e78f8139fbf07bc5926f7268f70f546772ab30261094f82cae",
    ),
]


@pytest.mark.parametrize(("content", "canonical", "sha256"), VECTORS)
def test_hash_of_a_vector_never_changes(content: Content, canonical: str, sha256: str) -> None:
    assert hashlib.sha256(canonical.encode()).hexdigest() == sha256
    assert content.sha256 == sha256


def test_order_of_keys_and_form_of_numbers_change_no_hash() -> None:
    chance = random.Random(1)
    for _ in range(300):
        value = random_json(chance)
        assert canonical_json(shuffled(value, chance)) == canonical_json(value)


def shuffled(value: Any, chance: random.Random) -> Any:
    """Equal as JSON."""
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(item, chance) for key, item in items}
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


def test_each_part_of_the_content_changes_the_hash() -> None:
    content = Content(template_text="a")
    others = [
        Content(template_text="b"),
        Content(template_text="a", messages=(Message(role="user", content="a"),)),
        Content(template_text="a", variables=["x"]),
        Content(template_text="a", model_config={"temperature": 0}),
        Content(template_text="a", output_schema={}),
        Content(template_text="a", translations={"de": "a"}),
    ]
    assert len({each.sha256 for each in [content, *others]}) == 7


def test_line_ends_of_other_systems_change_no_hash() -> None:
    assert make_content("a\r\nb\rc\n", None, {}).sha256 == make_content("a\nb\nc\n", None, {}).sha256


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_has_no_hash(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        canonical_json({"a": value})
