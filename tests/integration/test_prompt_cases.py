"""Saved inputs: who may keep and read them, and the gate that tries each version on them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.authoring import Desk

pytestmark = pytest.mark.embedded_only

SECRET = "Ada Lovelace, 555-0100"


@pytest.fixture
def cases(desk: Desk) -> Desk:
    """With `a` in production, executed once, and a draft that takes short names alone."""
    desk.query(
        "INSERT INTO prompt_templates (name, version, template_text, variables, is_active) "
        "VALUES ('a', 1, 'Hi {{ name }}', '[]', true), ('a', 2, 'Hi {{ name }}', %s, false), "
        "('a', 3, 'Hi {{ name }}', '[]', false)",
        json.dumps({"name": {"type": "string", "max_chars": 9}}),
    )
    desk.executed("a", 1, {"name": SECRET}, f"Hi {SECRET}")
    return desk


@pytest.fixture
def login(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Switches to a login with that role, and others beside it alone."""

    def switch(role: str, *others: str) -> None:
        monkeypatch.setenv("DATABASE_URL", desk.as_role(role, *others))

    return switch


def saved(desk: Desk, variables: object, *arguments: str, code: int = 0) -> str:
    file = desk.folder / "case.json"
    file.write_text(json.dumps(variables))
    return desk("cases", "a", "--add", str(file), *arguments, code=code)


def test_cases_are_saved_listed_and_removed(cases: Desk) -> None:
    assert "a has no saved cases" in cases("cases", "a")
    assert saved(cases, {"name": "Bob"}, "--note", "a short name") == (
        "case 1 of a is saved: each version is tried on it\n"
    )
    saved(cases, {"name": "Zoë"}, "--language", "de-AT")
    listed = cases("cases", "a")
    assert "a short name" in listed
    assert '{"name": "Bob"}' in listed
    first, second = cases.objects("cases", "a")
    assert (first["id"], first["variables"], first["note"]) == (1, {"name": "Bob"}, "a short name")
    assert (second["language"], second["execution"], second["created_by"]) == ("de-AT", None, "postgres")
    cases("cases", "a", "--remove", "1")
    assert [each["id"] for each in cases.objects("cases", "a")] == [2]
    assert "a has no case 1" in cases("cases", "a", "--remove", "1", code=65)
    assert "are a JSON object" in saved(cases, ["Bob"], code=65)
    assert "NUL" in saved(cases, {"name": "\0"}, code=65)
    assert "the note has 501 characters" in saved(cases, {}, "--note", "x" * 501, code=65)
    assert "no prompt is named nobody" in cases("cases", "nobody", code=66)
    assert "--note belongs to" in cases("cases", "a", "--note", "x", code=64)


def test_gate_tries_saved_cases_and_names_the_one_that_fails(cases: Desk) -> None:
    saved(cases, {"name": "Bob"})
    saved(cases, {"name": "Konstantinopel"}, "--note", "a long name")
    cases.query("DELETE FROM prompt_executions")
    (gate,) = cases.objects("activate", "a", "2", code=1)
    assert (gate["cases"], [each["id"] for each in gate["failed_cases"]]) == (2, [2])
    assert cases.production("a") == 1
    forced = cases("activate", "a", "2", "--force", "--reason", "no such users")
    assert "a@2: over 2 saved cases 1 fail" in forced
    assert (
        "case 2 (a long name): a@2 cannot be rendered with these variables: name has 14 characters" in forced
    )
    (entry, *_) = cases.objects("history", "a")
    assert entry["reason"] == "no such users (forced: 1 of 2 saved cases cannot be rendered)"


def test_gate_tries_the_cases_of_what_includes_a_fragment_in_their_language(cases: Desk) -> None:
    cases.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES ('tone', 1, 'Be kind.', true), "
        "('tone', 2, 'Be kind, {{ teacher }}.', false)"
    )
    cases.query(
        "INSERT INTO prompt_translations (template_id, language, template_text) "
        "SELECT id, 'de', '{%% include \"tone\" %%} Hallo {{ name }}' FROM prompt_templates "
        "WHERE name = 'a' AND version = 3"
    )
    cases.query("UPDATE prompt_templates SET is_active = version = 3 WHERE name = 'a'")
    saved(cases, {"name": "Bob"}, "--language", "de-AT")
    refused = cases("activate", "tone", "2", code=1)
    assert "a@3: over 1 saved case 1 fail" in refused
    assert "missing: teacher" in refused


def test_case_from_an_execution_needs_the_right_to_read_it(cases: Desk, login: Callable[..., None]) -> None:
    ((execution,),) = cases.query("SELECT id::text FROM prompt_executions")
    for role, others, code in (
        ("prompt_editor", (), 69),
        ("prompt_case_editor", (), 69),
        ("prompt_case_editor", ("prompt_text_reader",), 0),
    ):
        login(role, *others)
        said = cases("cases", "a", "--from-execution", execution, code=code)
        assert ("needs the role prompt_case_editor with prompt_text_reader" in said) == bool(code)
    (case,) = cases.objects("cases", "a")
    assert (case["variables"], case["execution"], case["created_by"]) == (
        {"name": SECRET},
        execution,
        "prompt_case_editor_text_reader_login",
    )
    other = "0190b2a4-0000-7000-8000-000000000001"
    assert f"there is no execution {other} of a" in cases("cases", "a", "--from-execution", other, code=65)


def test_whoever_may_not_read_texts_works_with_their_shape(cases: Desk, login: Callable[..., None]) -> None:
    saved(cases, {"name": SECRET, "grade": 7}, "--note", "who called")
    shape = {"name": "x" * len(SECRET), "grade": 1}
    for role in ("prompt_viewer", "prompt_editor", "prompt_case_editor", "prompt_approver"):
        login(role)
        (case,) = cases.objects("cases", "a")
        assert case["variables"] == shape
    listed = cases("cases", "a")
    assert SECRET not in listed
    assert "this login sees their shape" in listed
    refused = cases("activate", "a", "2", "--dry-run", code=1)
    assert "case 1 (who called): a@2 cannot be rendered with these variables: unexpected: grade" in refused
    assert SECRET not in refused
    login("prompt_editor")
    assert "needs the role prompt_case_editor" in saved(cases, {"name": "Bob"}, code=69)
    assert "needs the role prompt_case_editor" in cases("cases", "a", "--remove", "1", code=69)
