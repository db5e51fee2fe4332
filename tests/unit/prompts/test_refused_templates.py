"""Templates that are refused when they are compiled: where, and what to do instead."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest

from prompt_worker.prompts.errors import Fault, PromptError, RenderError, TemplateFaultError
from prompt_worker.prompts.template.bounds import Budget
from prompt_worker.prompts.template.filters import NAMES, TESTS
from prompt_worker.prompts.template.operators import METHODS
from prompt_worker.prompts.template.template import compile_template
from tests.support.prompts import rendered
from tests.unit.prompts.test_rendering import random_json


def fault(text: str) -> tuple[int, int, str]:
    with pytest.raises(TemplateFaultError) as caught:
        compile_template(text)
    found = caught.value.fault
    return found.line, found.column, found.message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('Answer:\n{"a": {{"b": 1}}}', 2, 7),
        ('{"a": {{ "b": 1}}}', 1, 13),
        ("{{'a': 1}}", 1, 1),
        ('{"n": "{# of items"}', 1, 8),
        ('{"n": "{#fff"} #}', 1, 8),
        ("a\n  b {# c #}", 2, 5),
        ("{{ how are you }}", 1, 8),
        ("{% now %}", 1, 4),
        ("100 {% of\n", 1, 8),
        ("{% raw %} x", 1, 1),
        ("{{ a ! b }}", 1, 6),
        ("text {{ a", 1, 9),
    ],
)
def test_text_that_looks_like_a_tag_gets_the_hint(text: str, line: int, column: int) -> None:
    found = fault(text)
    assert found[:2] == (line, column)
    assert "{% raw %}" in found[2]


def test_json_example_in_raw_is_printed_as_it_is() -> None:
    example = '{"a": {{"b": 1}}, "c": "{# d #}", "e": {%f%}}'
    assert rendered(f"{{% raw %}}{example}{{% endraw %}}\n") == f"{example}\n"


def test_json_example_without_double_braces_needs_nothing() -> None:
    example = '{"a": {"b": {"c": 1}}, "d": "#", "e": "100 %"}\n'
    assert rendered(example) == example


def test_comment_on_lines_of_its_own_is_left_out() -> None:
    assert rendered("a\n{# why\n   so #}\nb") == "a\n\nb"


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ value.__init__ }}",
        "{{ value['__class__'] }}",
        "{{ value | attr('__class__') }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum() }}",
        "{{ namespace() }}",
        "{{ dict(a=1) }}",
        "{{ '{0.__class__}'.format(value) }}",
        "{{ value.format_map({}) }}",
        "{{ (value.upper)() }}{{ value.mro() }}",
        "{{ range.__globals__ }}",
        "{% import 'os' as os %}",
        "{% macro a() %}{{ a() }}{% endmacro %}",
        "{% call value() %}{% endcall %}",
        "{% block a %}{% endblock %}",
        "{% extends 'a' %}",
        "{% filter upper %}a{% endfilter %}",
        "{% set a %}b{% endset %}",
        "{% for a in value recursive %}{{ loop(a) }}{% endfor %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ value | safe }}",
        "{{ value | pprint }}",
        "{{ value | random }}",
        "{{ value(1) }}",
        "{{ _private }}",
    ],
)
def test_template_that_reaches_for_python_is_refused(text: str) -> None:
    line, column, message = fault(text)
    assert (line, column > 0) == (1, True)
    assert message


@pytest.mark.parametrize(
    "text",
    [
        "{{ value['__cl' ~ 'ass__'] }}",
        "{{ value | map(attribute='__class__') | list | tojson }}",
        "{{ [value] | map('attr', '__class__') | join }}",
        "{{ [value] | map(' method', '__class__') | join }}",
        "{{ [value] | map(' method', 'format') | join }}",
        "{{ value[value2] }}",
        "{{ '%s' % value }}",
    ],
)
def test_template_that_reaches_for_python_fails_when_rendered(text: str) -> None:
    given = {"value": "x", "value2": "__class__"} if "value2" in text else {"value": "x"}
    with pytest.raises(PromptError):
        rendered(text, given)


def test_template_of_a_megabyte_is_refused() -> None:
    started = time.thread_time()
    assert fault("a" * 1_000_000)[2].startswith("it has 1,000,000 bytes: at most 64,000")
    assert time.thread_time() - started < 0.5


def test_template_of_ten_thousand_variables_is_refused() -> None:
    tags = "".join(f"{{{{v{at}}}}}" for at in range(6_000))
    assert "it has 6,000 tags: at most 500" in fault(tags)[2]
    flat = "{{ " + " ~ ".join(f"v{at}" for at in range(6_000)) + " }}"
    assert "more than 5,000 names" in fault(flat)[2]


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "1+" * 9000 + "1 }}",
        "{{ " + "not " * 9000 + "1 }}",
        "{{ x" + ".a" * 200 + " }}",
        "{{ x" + "|upper" * 200 + " }}",
        "{% for a in x %}" * 240 + "{% endfor %}" * 240,
        "{% if x %}" * 240 + "{% endif %}" * 240,
        "{{ " + "9" * 9000 + " }}",
        "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    ],
)
def test_deep_template_is_refused_at_once(text: str) -> None:
    started = time.thread_time()
    fault(text)
    assert time.thread_time() - started < 2


PARTS = (
    "{{ ", " }}", "{% if ", " %}", "{% endif %}", "{% for a in ", "{% endfor %}", "{% raw %}", "{% endraw %}", "{#",
    "#}", "secretword ", '"', "'", "|join", ".a", "[0]", "(", ")", " ~ ", "\n", "{", "}", "x", "1", "{%- set b = ",
)  # fmt: skip


def test_random_template_compiles_or_is_refused_with_a_place() -> None:
    """And says nothing of its words."""
    chance = random.Random(1)
    for _ in range(1_000):
        text = "".join(chance.choice(PARTS) for _ in range(chance.randrange(1, 25)))
        found = compiled(text)
        if found is not None:
            assert 1 <= found.line <= text.count("\n") + 1, text
            assert 1 <= found.column <= len(text) + 1, text
            # The names of variables, filters and tests are named; what is elsewhere is not.
            if "cannot be the name" not in found.message and "no filter" not in found.message:
                assert "secretword" not in found.message


def compiled(text: str) -> Fault | None:
    try:
        compile_template(text)
    except TemplateFaultError as error:
        return error.fault
    return None


VALUES = (
    "a",
    "b",
    "1",
    "-3",
    "2.5",
    "'x'",
    "none",
    "true",
    "[]",
    "{}",
    "[1, 'a']",
    "{'k': 1}",
    "a.k",
    "a[0]",
)
OPERATORS = (
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "in", "not in", "and", "or",
)  # fmt: skip


def expression(chance: random.Random, depth: int = 3) -> str:
    """Of every operator, filter, test and method, with values that mostly do not fit."""
    if not depth:
        return chance.choice(VALUES)
    first, second = (expression(chance, depth - 1) for _ in range(2))
    forms = (
        f"({first} {chance.choice(OPERATORS)} {second})",
        f"({first} | {chance.choice(sorted(NAMES))})",
        f"({first} | {chance.choice(sorted(NAMES))}({second}))",
        f"({first} is {chance.choice([name for name in sorted(TESTS) if name.isalpha()])})",
        f"({first}).{chance.choice(sorted(METHODS))}({second})",
        f"({first} if {second} else {first})",
        f"[{first}, {second}]",
        f"({first})[{second}]",
        f"({first})[{second}:]",
        f"range({first})",
        f"({first}).k",
    )
    return chance.choice(forms)


def test_random_expression_is_printed_or_a_prompts_error() -> None:
    """Whatever Jinja or Python raise over it."""
    chance = random.Random(2)
    for _ in range(500):
        text = f"{{{{ {expression(chance)} | tojson }}}}{{% for x in {expression(chance)} %}}{{{{ x }}}}{{% endfor %}}"
        found = compiled(text)
        assert found is None or "nested too deeply" not in found.message, text
        if found is None:
            with suppress(RenderError):
                template = compile_template(text)
                template.render("p@1", dict.fromkeys(template.usage.all, random_json(chance)), Budget())
