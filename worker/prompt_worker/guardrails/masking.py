"""Personal data replaced in texts and in what holds texts, before a service sends, logs or publishes them."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.finding import preview
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.inline import DEFAULT_PII, compiled
from prompt_worker.guardrails.nesting import copied, text_of
from prompt_worker.guardrails.registry import Evaluator

_ROUNDS = 1000  # each masks as many matches as a detector reports at a time
_PLACEHOLDER = re.compile(r"<[A-Z]+(?:_[A-Z0-9]+)*(?: …\d{4})?>")
# What JSON is made of, as far as a number outside of a string is concerned.
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<number>-?\d[\d.eE+-]*)', re.DOTALL)


def mask(text: str, guardrail: Guardrail | Evaluator = DEFAULT_PII) -> str:
    """The text with what the guardrail finds replaced by `<US_SSN>`, `<CREDIT_CARD …1111>`, …, until it finds nothing.

    JSON stays JSON: a number becomes a string. Raises `GuardrailConfigError`.
    """
    detector = compiled(guardrail).detector
    is_json = _is_json(text)
    for _ in range(_ROUNDS):
        matches = detector.detect(Texts([text], enough=sys.maxsize))[0]
        if matches:
            # A placeholder may be what an owner's pattern finds.
            placed = [found.span() for found in _PLACEHOLDER.finditer(text)]
            matches = [match for match in matches if _around(match, placed) is None]
        if not matches:
            break
        text = _replaced(text, matches, list(_numbers(text)) if is_json else [])
    return text


def mask_all(value: Any, guardrail: Guardrail | Evaluator = DEFAULT_PII) -> Any:
    """A copy of `value` with every text in its nested objects and lists masked, keys included.

    A number in which something is found becomes a text, keys that become the same are numbered, a value inside itself
    becomes a marker, an iterator is read and becomes a list. Raises `GuardrailConfigError`.
    """
    evaluator = compiled(guardrail)
    masked = partial(mask, guardrail=evaluator)

    def leaf(value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        text = text_of(value)
        found = masked(text)
        return found if found != text or isinstance(value, str) else value

    return copied(value, masked, leaf)


def _replaced(text: str, matches: Sequence[Match], numbers: Sequence[tuple[int, int]]) -> str:
    """`numbers`: spans of which none may be replaced in part, nor without quotes."""
    parts, position = [], 0
    for match in matches:
        if match.end <= position:
            continue
        bare = _around(match, numbers)
        start, end = bare or (match.start, match.end)
        parts.append(text[position : max(position, start)])
        if start >= position:
            shown = preview(match.rule, text[match.start : match.end])
            parts.append(json.dumps(shown, ensure_ascii=False) if bare else shown)
        position = max(end, match.end)
    return "".join((*parts, text[position:]))


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _numbers(text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in _STRING_OR_NUMBER.finditer(text) if found["number"])


def _around(match: Match, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """That of the spans, which are in order, in which the match is."""
    place = bisect(spans, (match.start, sys.maxsize))
    if place and spans[place - 1][1] >= match.end:
        return spans[place - 1]
    return None
