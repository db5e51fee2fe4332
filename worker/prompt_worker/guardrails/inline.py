"""For a service, before it calls the model or publishes: check texts, mask personal data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.evaluation import Evaluation, evaluate
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.finding import HashKey, preview
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.nesting import copied, text_of
from prompt_worker.guardrails.registry import Evaluator, compile_guardrail
from prompt_worker.guardrails.text.patterns import MATCHES_LIMIT

_ROUNDS = 1000  # each masks as many matches as a detector reports at a time

DEFAULT_PII = Guardrail(name="pii", type="pii_detection", config={}, severity="critical", action="block")


def check(
    guardrails: Sequence[Guardrail | Evaluator],
    *,
    prompt: str | None = None,
    variables: Mapping[str, Any] | None = None,
    response: str | None = None,
    template_text: str | None = None,
    template_name: str | None = None,
    category: str | None = None,
    key: HashKey | None = None,
) -> Evaluation:
    """What the guardrails find in one execution; its `outcome` is `allow`, `warn` or `block`.

    `template_name` and `category` choose the guardrails; `template_text` keeps the template's own words from being
    judged. Findings have a keyed hash of what matched where a `key` is given. A service that checks often compiles its
    guardrails once and passes the evaluators. Raises `GuardrailConfigError`.
    """
    execution = Execution(prompt, variables, response, template_text, template_name, category)
    return evaluate([_compiled(guardrail) for guardrail in guardrails], [execution], key)[0]


def mask(text: str, guardrail: Guardrail | Evaluator = DEFAULT_PII) -> str:
    """The text with what the guardrail finds replaced by `<US_SSN>`, `<CREDIT_CARD …1111>`, ….

    Raises `GuardrailConfigError`.
    """
    evaluator = _compiled(guardrail)
    for _ in range(_ROUNDS):
        matches = evaluator.detector.detect(Texts([text], enough=sys.maxsize))[0]
        text = _replace(text, matches)
        if len(matches) < MATCHES_LIMIT:
            break
    return text


def mask_all(value: Any, guardrail: Guardrail | Evaluator = DEFAULT_PII) -> Any:
    """A copy of `value` with every text in its nested objects and lists masked, keys included.

    A number in which something is found becomes a text; a value inside itself becomes a marker.
    Raises `GuardrailConfigError`.
    """
    evaluator = _compiled(guardrail)
    masked = partial(mask, guardrail=evaluator)

    def leaf(value: Any) -> Any:
        if isinstance(value, bool) or value is None:
            return value
        text = text_of(value)
        found = masked(text)
        return found if found != text or isinstance(value, str) else value

    return copied(value, masked, leaf)


def _replace(text: str, matches: Sequence[Match]) -> str:
    parts, position = [], 0
    for match in matches:
        if match.end > position:
            parts.append(text[position : max(position, match.start)])
            if match.start >= position:
                parts.append(preview(match.rule, text[match.start : match.end]))
            position = match.end
    return "".join((*parts, text[position:]))


def _compiled(guardrail: Guardrail | Evaluator) -> Evaluator:
    return guardrail if isinstance(guardrail, Evaluator) else _compile_once(guardrail)


_compile_once = lru_cache(maxsize=256)(compile_guardrail)
