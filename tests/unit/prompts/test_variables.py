"""What a prompt needs, in both forms of `variables`, and what it says about anything else."""

from __future__ import annotations

from typing import Any

import pytest

from prompt_worker.prompts.errors import VariablesError
from prompt_worker.prompts.snapshot.snapshot import Snapshot
from prompt_worker.prompts.template.template import compile_template
from tests.support.prompts import rendered, stored


@pytest.mark.parametrize(
    ("text", "required", "optional"),
    [
        ("{{ a }}", {"a"}, set()),
        ("{% if a %}{{ a }}{% endif %}", set(), {"a"}),
        ("{% if a %}{{ b }}{% endif %}", {"b"}, {"a"}),
        ("{% if a %}{% else %}{{ a }}{% endif %}", {"a"}, set()),
        ("{% if not a %}x{% else %}{{ a }}{% endif %}", set(), {"a"}),
        ("{% if a and b %}{{ a }}{{ b }}{% endif %}", set(), {"a", "b"}),
        ("{% if a or b %}{{ a }}{% endif %}{{ b | default('') }}", {"a"}, {"b"}),
        ("{% if a is defined %}{{ a.b }}{% endif %}", set(), {"a"}),
        ("{% if a is undefined %}x{% else %}{{ a }}{% endif %}", set(), {"a"}),
        ("{% if a == 'x' %}{% endif %}", {"a"}, set()),
        ("{% if a and a.b == 'x' %}{{ a.b }}{% endif %}", set(), {"a"}),
        ("{{ a | default('x') }}{{ b | d }}", set(), {"a", "b"}),
        ("{{ a | default(b) }}", {"b"}, {"a"}),
        ("{{ a.b | default('x') }}", {"a"}, set()),
        ("{{ a or 'x' }}", set(), {"a"}),
        ("{{ a if a else b }}", {"b"}, {"a"}),
        ("{{ a }}{% if a %}{% endif %}", {"a"}, set()),
        ("{% for x in a %}{{ x }}{{ loop.index }}{% endfor %}", {"a"}, set()),
        ("{% set x = a %}{{ x }}", {"a"}, set()),
        ("{% if a %}x{% elif b %}{{ b }}{% endif %}", set(), {"a", "b"}),
        ("{% for i in range(n) %}{% endfor %}", {"n"}, set()),
        ("{% set a = a | default('x') %}{{ a }}", set(), {"a"}),
        ("{% for a in b %}{{ a }}{% endfor %}{% if a %}{{ a }}{% endif %}", {"b"}, {"a"}),
        ("{% for a, b in c %}{{ a }}{{ b }}{% else %}{{ a }}{% endfor %}", {"a", "c"}, set()),
        ("no variables", set(), set()),
    ],
)
def test_variable_that_nothing_asks_for_is_required(
    text: str, required: set[str], optional: set[str]
) -> None:
    usage = compile_template(text).usage
    assert (usage.required, usage.optional) == (required, optional)


def test_error_names_what_is_missing_and_what_is_unexpected() -> None:
    with pytest.raises(VariablesError) as caught:
        rendered("{{ student_query }} {{ grade }}", {"studentquery": "secret", "grade": 8})
    assert caught.value.missing == ("student_query",)
    assert caught.value.unexpected == ("studentquery",)
    assert "missing: student_query; unexpected: studentquery" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_ten_thousand_unexpected_variables_are_one_sentence() -> None:
    with pytest.raises(VariablesError) as caught:
        rendered("{{ a }}", {"a": 1} | {f"v{at:05}": at for at in range(10_000)})
    assert len(caught.value.unexpected) == 10_000
    assert "and 9,990 more" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_ten_thousand_declared_variables_are_rendered() -> None:
    names = [f"v{at:05}" for at in range(10_000)]
    assert rendered("{{ v00000 }}", dict.fromkeys(names, "x"), names) == "x"


@pytest.mark.parametrize("absent", [{}, {"interests": None}, {"interests": []}, {"interests": ""}])
def test_guarded_variable_may_be_absent(absent: dict[str, Any]) -> None:
    text = "{{ query }}{% if interests %}: {{ interests | join(', ') }}{% endif %}"
    assert rendered(text, {"query": "q", **absent}, ["query", "interests"]) == "q"


def test_absent_variable_is_false_empty_and_replaced_by_default() -> None:
    text = (
        "{{ a | default('x') }}[{{ a or 'y' }}]{% if not a %}z{% endif %}{% for i in a or [] %}{% endfor %}"
    )
    assert rendered(text) == "x[y]z"
    declared = {"a": {"type": "list", "default": None}}
    assert (
        rendered("[{{ a }}]{{ a | default('x') }}{{ a | join }}{{ a | tojson }}", {}, declared) == "[]xnull"
    )


def test_null_for_an_optional_variable_is_the_same_as_none() -> None:
    text = "{{ a | default('x') }}{{ b }}"
    assert rendered(text, {"a": None, "b": None}) == "x"
    assert rendered("{{ a }}", {"a": None}, {"a": {"default": 8}}) == "8"


TYPED = {
    "query": {"type": "string", "required": True, "max_chars": 5},
    "grade": {"type": "integer", "default": 8},
    "interests": {"type": "list", "default": None},
    "score": {"type": "number", "required": False},
    "strict": {"type": "boolean", "default": False},
    "extra": {"type": "object", "required": False, "description": "anything"},
}
TEXT = "{{ query }} {{ grade }} {{ strict }} {{ interests | join }} {{ score }}"


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"query": "q"}, "q 8 false  "),
        ({"query": "", "grade": 0, "strict": True, "interests": ["a"], "score": 1.5}, " 0 true a 1.5"),
        ({"query": "12345", "score": 2, "interests": None, "extra": {}}, "12345 8 false  2"),
    ],
)
def test_typed_variables_are_rendered_with_their_defaults(variables: dict[str, Any], shown: str) -> None:
    assert rendered(TEXT, variables, TYPED) == shown


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "missing: query"),
        ({"query": None}, "query: expected string, got null"),
        ({"query": 5}, "query: expected string, got integer"),
        ({"query": "123456"}, "query has 6 characters, at most 5"),
        ({"query": "q", "grade": "8"}, "grade: expected integer, got string"),
        ({"query": "q", "grade": True}, "grade: expected integer, got boolean"),
        ({"query": "q", "strict": 1}, "strict: expected boolean, got integer"),
        ({"query": "q", "interests": "a"}, "interests: expected list, got string"),
        ({"query": "q", "extra": []}, "extra: expected object, got list"),
        ({"query": "q", "score": "1", "grade": []}, "grade: expected integer, got list"),
        ({"query": "q", "other": 1}, "unexpected: other"),
    ],
)
def test_value_of_another_kind_is_named_before_rendering(variables: dict[str, Any], said: str) -> None:
    with pytest.raises(VariablesError) as caught:
        rendered(TEXT, variables, TYPED)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (["b"], "line 1, column 4: it reads a, which `variables` does not declare"),
        ({"b": {}}, "line 1, column 4: it reads a, which `variables` does not declare"),
        ({"a": {"type": "text"}}, "the declaration of a is not valid"),
        ({"a": {"kind": "string"}}, "the declaration of a is not valid"),
        ({"a": "string"}, "the declaration of a is not valid"),
        ({"a": {"type": "integer", "default": "secret"}}, "the default of a does not fit: expected integer"),
    ],
)
def test_declaration_that_cannot_be_used_is_a_fault(declared: Any, said: str) -> None:
    (reason,) = Snapshot.build([stored("p", "{{ a }}", variables=declared)]).quarantined.values()
    assert said in reason
    assert "secret" not in reason
