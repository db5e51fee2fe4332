"""The texts of one execution, each on its own: the prompt, every input variable, the response.

**The template's own words trip no guardrail.** What a guardrail judges in the prompt is what the input put there; the
rest is blanked, character by character, so that spans stay those of the prompt:

- with the template's text, the words between its Jinja tags are the template's, wherever they stand in the prompt;
- without it, but with input variables that stand in the prompt, all that no variable's value covers is the template's;
- with neither, nobody can tell, and the whole prompt is judged.

What is found inside a variable's value is reported there, and not once more for the prompt (see `evaluation.py`). So a
finding in `prompt` is one that only the rendered text shows: put together from several variables, or a value that
the event's variables lack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.values_in_prompt import places

Span = tuple[int, int]

PROMPT, RESPONSE = "prompt", "response"

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]*(?:[0-9]{1,5}[A-Za-z_-]*)?")
_LONGEST_NAME = 64
_LISTS = (list, tuple)
_NESTED = (dict, *_LISTS, Mapping)
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_NEAR = 40  # characters between two pieces of input that may be read together
_END = 80  # characters of a value's end that are read with its neighbour
_LONG_ENOUGH = 12  # characters of the template's words that are taken for its own wherever they are repeated


class Execution(Concealed, msgspec.Struct, frozen=True, gc=False):
    """What there is to judge. `variables` may be nested; the template's name and category choose the guardrails."""

    prompt: str | None = None
    variables: Mapping[str, Any] | None = None
    response: str | None = None
    template_text: str | None = None
    template_name: str | None = None
    category: str | None = None


class Field(Concealed, msgspec.Struct, gc=False):
    """A text and its name. `values` are the places where the text repeats another field's text."""

    name: str
    text: str
    values: Sequence[tuple[int, int, str]] = ()


def fields(execution: Execution) -> list[Field]:
    """The fields with something to judge: variables first, then the prompt, then the response."""
    found = [Field(f"variable:{path}", text) for path, text in flatten(execution.variables or {})]
    if execution.prompt:
        values = _places(execution.prompt, found)
        text = _input_part(execution.prompt, values, execution.template_text)
        if values:
            text = _blank(text, _told_by_variables(text, values))
        if not text.isspace():
            found.append(Field(PROMPT, text, values))
    if execution.response:
        found.append(Field(RESPONSE, execution.response))
    return found


def flatten(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, text) of every text and number in nested objects and lists, in order, however deep.

    A key that is no plain name may itself be somebody's data: it is judged, and stands in the path as its place.
    """
    levels: list[Iterator[tuple[str, Any]]] = [iter([("", variables)])]
    while levels:
        for path, value in levels[-1]:
            if isinstance(value, str):
                if value:
                    yield path, value
            elif isinstance(value, _NESTED):
                levels.append(_entries(path, value))
                break
            elif value is not None and not isinstance(value, bool):
                yield path, str(value)
        else:
            levels.pop()


def _entries(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, _LISTS):
        for index, entry in enumerate(value):
            yield f"{path}[{index}]", entry
        return
    for index, (key, entry) in enumerate(value.items()):
        name = str(key)
        if len(name) > _LONGEST_NAME or not _is_plain(name):
            yield f"{path}[#{index}].key", name
            name = f"[#{index}]"
        if path:
            name = f"{path}{name}" if name[0] == "[" else f"{path}.{name}"
        yield name, entry


@lru_cache(maxsize=1024)
def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None


def _places(prompt: str, variables: Sequence[Field]) -> list[tuple[int, int, str]]:
    names = {field.text: field.name for field in reversed(variables)}
    texts = list(names)
    return [(start, start + len(texts[place]), names[texts[place]]) for place, start in places(prompt, texts)]


def _told_by_variables(text: str, values: Sequence[tuple[int, int, str]]) -> Iterator[Span]:
    # Of a value, only an end that has other input near it can say something new together with that.
    for start, end, _ in values:
        before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
        first = start if not before or before.isspace() else start + _END
        last = end if not after or after.isspace() else end - _END
        if first < last:
            yield first, last


def _input_part(prompt: str, values: Sequence[tuple[int, int, str]], template_text: str | None) -> str:
    if template_text is not None:
        return _blank(prompt, _template_words(prompt, template_text))
    if not values:
        return prompt
    return _blank(prompt, _gaps(len(prompt), values))


def _template_words(prompt: str, template_text: str) -> Iterator[Span]:
    position = 0
    for words in _template_lines(template_text):
        start = prompt.find(words)
        if start < 0:
            continue
        in_order = start if start >= position else prompt.find(words, position)
        if in_order >= 0:
            position = in_order + len(words)
            yield in_order, position
        if len(words) >= _LONG_ENOUGH:  # again where a loop repeats it
            while start >= 0:
                yield start, start + len(words)
                start = prompt.find(words, start + len(words))


@lru_cache(maxsize=1024)
def _template_lines(template_text: str) -> tuple[str, ...]:
    """The words between the tags, line by line, in their order."""
    literals = _TAG.split(template_text)
    return tuple(
        line.strip() for literal in literals for line in literal.splitlines() if not line.isspace() and line
    )


def _gaps(length: int, covered: Sequence[tuple[int, int, str]]) -> Iterator[Span]:
    position = 0
    for start, end, _ in sorted(covered):
        if start > position:
            yield position, start
        position = max(position, end)
    if position < length:
        yield position, length


def _blank(text: str, spans: Iterator[Span]) -> str:
    in_order = sorted(spans)
    if not in_order:
        return text
    parts, position = [], 0
    for start, end in in_order:
        if end > position:
            first = max(start, position)
            parts.append(text[position:first])
            parts.append("\n" * (end - first))
            position = end
    parts.append(text[position:])
    return "".join(parts)
