"""Guardrails on what a prompt became, before the model is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.prompts.errors import PromptBlockedError, names, short

if TYPE_CHECKING:
    from prompt_worker.guardrails import Evaluation, Evaluator, Guardrail


class Guard:
    """Those of a service, compiled once; None: the default ones, when they are first used.

    Needs the extra `guardrails`. Raises `GuardrailConfigError` for one that cannot be used.
    """

    def __init__(self, guardrails: Sequence[Guardrail] | None) -> None:
        self._evaluators = None if guardrails is None else _compiled(guardrails)

    def _loaded(self) -> list[Evaluator]:
        if self._evaluators is None:
            self._evaluators = _compiled(None)
        return self._evaluators

    def check(self, event: ExecutionEvent, template_text: str, category: str | None) -> None:
        """Fills in what the event says of guardrails. Raises `PromptBlockedError`, with the status `blocked` set."""
        evaluators = self._loaded()
        from prompt_worker.guardrails import check

        found = check(
            evaluators,
            prompt=event.rendered_prompt,
            variables=event.input_variables,
            template_text=template_text,
            template_name=event.template_name,
            category=category,
        )
        event.guardrail_action = found.outcome
        event.guardrail_violations = _violations(found) or None
        if found.outcome == "block":
            event.status = "blocked"
            blocking = sorted(
                {finding.guardrail_name for finding in found.findings if finding.action == "block"}
            )
            raise PromptBlockedError(f"{short(event.template_name)} was blocked by {names(blocking)}")


def _compiled(guardrails: Sequence[Guardrail] | None) -> list[Evaluator]:
    try:
        from prompt_worker.guardrails import compile_guardrail
        from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: guard= needs pip install 'prompt-worker[guardrails]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    return [compile_guardrail(each) for each in (DEFAULT_GUARDRAILS if guardrails is None else guardrails)]


def _violations(found: Evaluation) -> list[dict[str, Any]]:
    """As the event has them; nothing of what matched."""
    return [
        {
            "guardrail_name": finding.guardrail_name,
            "guardrail_type": finding.guardrail_type,
            "severity": finding.severity,
            "action": finding.action,
            "details": {
                "field": finding.field,
                "rule": finding.rule,
                "start": finding.start,
                "end": finding.end,
                "score": finding.score,
                "preview": finding.preview,
            },
        }
        for finding in found.findings
    ]
