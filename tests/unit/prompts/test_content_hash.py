"""`content_sha256`: one hash for one content, whoever computes it; the vectors are kept for ever."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prompt_worker.prompts.content import Content, Message, canonical_json, make_content
from tests.unit.prompts.test_rendering import random_json

# PostgreSQL is tested with the same ones.
VECTORS = json.loads((Path(__file__).parent / "content_vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS)
def test_hash_of_a_vector_never_changes(vector: dict[str, Any]) -> None:
    content = msgspec.convert(vector["content"], Content)
    fields = {name: msgspec.to_builtins(getattr(content, name)) for name in content.__struct_fields__}
    assert canonical_json(fields) == vector["canonical"]
    assert hashlib.sha256(vector["canonical"].encode()).hexdigest() == vector["sha256"]
    assert content.sha256 == vector["sha256"]


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
