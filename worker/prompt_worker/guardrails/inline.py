"""For a service, before it calls the model: check texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from prompt_worker.guardrails.evaluation import Evaluation, evaluate
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.finding import HashKey
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.registry import Evaluator, compile_guardrail

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
    return evaluate([compiled(guardrail) for guardrail in guardrails], [execution], key)[0]


def compiled(guardrail: Guardrail | Evaluator) -> Evaluator:
    """Made once for each guardrail. Raises `GuardrailConfigError`."""
    return guardrail if isinstance(guardrail, Evaluator) else _compile_once(guardrail)


_compile_once = lru_cache(maxsize=256)(compile_guardrail)
