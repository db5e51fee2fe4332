"""Guardrails on what a prompt became, before the model is called."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.prompts.errors import PromptBlockedError, names, short

if TYPE_CHECKING:
    from prompt_worker.guardrails import Evaluation, Evaluator, Guardrail


class Guard:
    """Those of a service: compiled once, when first used or by `load`. Needs the extra `guardrails`."""

    def __init__(self, guardrails: Sequence[Guardrail] | None) -> None:
        self._guardrails = guardrails
        self._evaluators: list[Evaluator] | None = None
        self._loading = threading.Lock()

    def load(self) -> list[Evaluator]:
        """Raises `GuardrailConfigError`."""
        if self._evaluators is None:
            with self._loading:
                if self._evaluators is None:
                    from prompt_worker.guardrails import compile_guardrail
                    from prompt_worker.guardrails.defaults import DEFAULT_GUARDRAILS

                    given = DEFAULT_GUARDRAILS if self._guardrails is None else self._guardrails
                    self._evaluators = [compile_guardrail(each) for each in given]
        return self._evaluators

    def check(self, event: ExecutionEvent, template_text: str, category: str | None) -> None:
        """Fills in what the event says of guardrails. Raises `PromptBlockedError`, with the status `blocked` set."""
        from prompt_worker.guardrails import check

        found = check(
            self.load(),
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
