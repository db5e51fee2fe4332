"""Guardrails over prompts, their variables and responses: the worker's evaluators, and the same inline for a service.

    from prompt_worker.guardrails import Guardrail, check, mask

- `check` says what guardrails find in one execution, `evaluate` in many.
- `mask` and `mask_all` return texts and nested values without the personal data in them.
- `compile_guardrail` reads a guardrail's config once, for a service that checks often.

Everything here is a pure function of its arguments: no database, no network, no clock. Nothing that is returned or
raised has a matched text in it. Needs the extra `guardrails`: pip install 'prompt-worker[guardrails]'.
"""

from prompt_worker.guardrails.detectors.config import GuardrailConfigError
from prompt_worker.guardrails.evaluation import Evaluation, evaluate
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.finding import Finding, HashKey
from prompt_worker.guardrails.guardrail import Guardrail
from prompt_worker.guardrails.inline import check
from prompt_worker.guardrails.masking import mask, mask_all
from prompt_worker.guardrails.registry import Evaluator, compile_all, compile_guardrail

__all__ = [
    "Evaluation",
    "Evaluator",
    "Execution",
    "Finding",
    "Guardrail",
    "GuardrailConfigError",
    "HashKey",
    "check",
    "compile_all",
    "compile_guardrail",
    "evaluate",
    "mask",
    "mask_all",
]
