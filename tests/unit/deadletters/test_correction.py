"""A corrected body: the given fields, every other value byte for byte, and a difference that shows no text."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from prompt_worker.deadletters.correction import CorrectionError, corrected, difference, pretty
from prompt_worker.event.execution import parse
from tests.support.events import body, with_raw


def test_correction_keeps_other_values_byte_for_byte() -> None:
    exact = b'{"n": 1e400, "big": 123456789012345678901234567890, "half": 0.10, "e": "\\u00e9"}'
    changed = corrected(with_raw("input_variables", exact), {"template_version": "2"})
    assert exact in changed
    assert parse(changed)[0].template_version == 2


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("template_version", "3", 3),
        ("user_id", "123", "123"),
        ("rendered_prompt", "", ""),
        ("cost_usd", "0.10", "0.10"),
        ("status", "failure", "failure"),
        ("input_variables", '{"grade": 5}', {"grade": 5}),
        ("guardrail_violations", "[]", []),
        ("executed_at", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("attempt", "2", 2),
        ("registry_revision", "417", 417),
        ("content_sha256", "0" * 64, "0" * 64),
        ("prompt_source", "disk", "disk"),
        ("assignment_unit", "17", "17"),
    ],
)
def test_correction_reads_a_value_as_its_field_is(field: str, text: str, value: object) -> None:
    changed = corrected(body(), {field: text})
    assert json.loads(changed)[field] == value
    parse(changed)


def test_correction_removes_a_field() -> None:
    assert "user_id" not in json.loads(corrected(body(user_id="x"), {}, ["user_id"]))


@pytest.mark.parametrize(
    ("original", "changes", "removed", "says"),
    [
        (body(), {"template": "x"}, [], "no such field; its fields are: ab_test_group"),
        (body(), {"template_version": "two"}, [], "--set template_version: Expected `int`"),
        (body(), {"template_version": "0"}, [], ">= 1"),
        (body(), {"attempt": "0"}, [], "--set attempt: Expected `int` >= 1"),
        (body(), {"content_sha256": "F" * 64}, [], "--set content_sha256: "),
        (body(), {"prompt_source": "cache"}, [], "--set prompt_source: "),
        (body(), {"input_variables": "{not json"}, [], "--set input_variables"),
        (body(), {}, ["user_id"], "--unset user_id: the event has no such field"),
        (b"\xff not JSON", {"status": "success"}, [], "not a JSON object"),
        (b"[1]", {"status": "success"}, [], "not a JSON object"),
    ],
)
def test_impossible_correction_says_why(
    original: bytes, changes: dict[str, str], removed: list[str], says: str
) -> None:
    with pytest.raises(CorrectionError, match=says.replace("$", r"\$")):
        corrected(original, changes, removed)


def test_difference_names_fields_and_hides_texts() -> None:
    before = body(
        rendered_prompt="a secret", error_message="of ada@example.org", template_version=1, own="mine"
    )
    after = corrected(before, {"rendered_prompt": "other", "template_version": "2", "error_message": "x"})
    lines = "\n".join(difference(before, after, reveal=False))
    assert "- template_version: 1\n+ template_version: 2" in lines
    assert "rendered_prompt: (hidden, 10 bytes" in lines
    assert not any(text in lines for text in ("secret", "ada@", "other", "mine", "status"))
    assert '- rendered_prompt: "a secret"' in difference(before, after, reveal=True)


def test_difference_of_ids_and_of_bodies_that_are_not_json() -> None:
    one, other = str(uuid4()), str(uuid4())
    assert difference(body(event_id=one), body(event_id=other), reveal=False)[0] == f'- event_id: "{one}"'
    assert difference(b"some text", body(), reveal=False)[0].startswith(
        "- (not a JSON object): (hidden, 9 bytes"
    )
    assert pretty(b"\xffsome text") == "\N{REPLACEMENT CHARACTER}some text"
    assert json.loads(pretty(body(user_id="é")))["user_id"] == "é"
