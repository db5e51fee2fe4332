"""The part of a prompt that its input wrote: the template's own words are blanked.

What is blanked becomes line breaks, one for each character, so that spans remain those of the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

Span = tuple[int, int]  # start and end

# Of Jinja. One that is not closed ends with the text, which is then read once, however many are opened in it.
_TAG = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)|\{#.*?(?:#\}|\Z)", re.DOTALL)
_NEAR = 40  # characters between two pieces of input that may be read together
_END = 80  # characters of a value's end that are read with its neighbour
_LONG_ENOUGH = 12  # characters of the template's words that count as its own wherever they are repeated


def input_in_prompt(prompt: str, values: Sequence[Span], template_text: str | None) -> str:
    """The prompt without the template's words, and without values that are judged as variables anyway."""
    text = _without_template(prompt, values, template_text)
    return _blank(text, _insides(text, values)) if values else text


def _without_template(prompt: str, values: Sequence[Span], template_text: str | None) -> str:
    if template_text is not None:
        return _blank(prompt, _template_words(prompt, template_text))
    if not values:
        return prompt
    return _blank(prompt, _gaps(len(prompt), values))


def _insides(text: str, values: Sequence[Span]) -> Iterator[Span]:
    # Only the end of a value that has other input near it can mean something new together with that.
    for start, end in values:
        before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
        first = start if not before or before.isspace() else start + _END
        last = end if not after or after.isspace() else end - _END
        if first < last:
            yield first, last


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
        # Also where a loop of the template repeats them.
        if len(words) >= _LONG_ENOUGH:
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


def _gaps(length: int, covered: Sequence[Span]) -> Iterator[Span]:
    position = 0
    for start, end in sorted(covered):
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
