"""The texts of one execution, each judged separately: every input variable, the prompt, the response.

**The template's own words trigger no guardrail.** What a guardrail judges in the prompt is what the input put there:

- with the template's text, the words between its Jinja tags are the template's, wherever they are in the prompt;
- without it, but with values of input variables in the prompt, everything outside these values is the template's;
- with neither, the two cannot be distinguished, and the whole prompt is judged.

What is found inside a variable's value is reported there, and not again for the prompt (see `evaluation.py`). So a
finding in `prompt` is one that only the rendered text shows: put together from several variables, or in a value that
the event's variables lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from prompt_worker.guardrails.input_in_prompt import Value, input_in_prompt
from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.values_in_prompt import find_values
from prompt_worker.guardrails.variables import flatten

PROMPT, RESPONSE = "prompt", "response"


class Execution(Concealed, msgspec.Struct, frozen=True, gc=False):
    """What can be judged. `variables` may be nested; the template's name and category choose the guardrails."""

    prompt: str | None = None
    variables: Mapping[str, Any] | None = None
    response: str | None = None
    template_text: str | None = None
    template_name: str | None = None
    category: str | None = None


class Field(Concealed, msgspec.Struct, gc=False):
    """A text and its name. `values` are the spans in which it repeats another field's text."""

    name: str
    text: str
    values: Sequence[Value] = ()


def fields(execution: Execution) -> list[Field]:
    """The fields with something to judge: variables first, then the prompt, then the response."""
    found = [Field(f"variable:{path}", text) for path, text in flatten(execution.variables or {})]
    if execution.prompt:
        values = _values(execution.prompt, found)
        text = input_in_prompt(execution.prompt, values, execution.template_text)
        if not text.isspace():
            found.append(Field(PROMPT, text, values))
    if execution.response:
        found.append(Field(RESPONSE, execution.response))
    return found


def _values(prompt: str, variables: Sequence[Field]) -> list[Value]:
    names = {field.text: field.name for field in reversed(variables)}
    texts = list(names)
    return [
        (start, start + len(texts[index]), names[texts[index]]) for index, start in find_values(prompt, texts)
    ]
