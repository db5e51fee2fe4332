"""Guardrails over prompts, their variables and responses: the worker's evaluators, and the same inline for a service.

    from prompt_worker.guardrails import Guardrail, check, mask

Needs the extra `guardrails`: pip install 'prompt-worker[guardrails]'.
"""

from prompt_worker.guardrails.evaluation import Result, evaluate
from prompt_worker.guardrails.fields import Execution
from prompt_worker.guardrails.finding import Finding, HashKey
from prompt_worker.guardrails.guardrail import Guardrail, GuardrailConfigError
from prompt_worker.guardrails.inline import check, mask, mask_all
from prompt_worker.guardrails.registry import Evaluator, compile_all, compile_guardrail

__all__ = [
    "Evaluator",
    "Execution",
    "Finding",
    "Guardrail",
    "GuardrailConfigError",
    "HashKey",
    "Result",
    "check",
    "compile_all",
    "compile_guardrail",
    "evaluate",
    "mask",
    "mask_all",
]
