"""Guardrails over prompts, their variables and responses: the worker's evaluators, and the same inline for a service.

    from worker.guardrails import Guardrail, check, mask

Needs the extra `guardrails`: pip install 'prompt-worker[guardrails]'.
"""

from worker.guardrails.evaluation import Result, evaluate
from worker.guardrails.fields import Execution
from worker.guardrails.finding import Finding, HashKey
from worker.guardrails.guardrail import Guardrail, GuardrailConfigError
from worker.guardrails.inline import check, mask, mask_all
from worker.guardrails.registry import Evaluator, compile, compile_all

__all__ = [
    "Evaluator",
    "Execution",
    "Finding",
    "Guardrail",
    "GuardrailConfigError",
    "HashKey",
    "Result",
    "check",
    "compile",
    "compile_all",
    "evaluate",
    "mask",
    "mask_all",
]
