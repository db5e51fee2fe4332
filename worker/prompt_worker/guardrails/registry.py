"""The guardrail types: one line each, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prompt_worker.guardrails.detectors.config import Config, GuardrailConfigError
from prompt_worker.guardrails.detectors.content_policy import PolicyDetector
from prompt_worker.guardrails.detectors.detector import Detector
from prompt_worker.guardrails.detectors.pii_detection import PiiDetector
from prompt_worker.guardrails.detectors.prompt_injection import InjectionDetector
from prompt_worker.guardrails.detectors.toxic_content import ToxicityDetector
from prompt_worker.guardrails.guardrail import Guardrail

TYPES: dict[str, Callable[[Config], Detector]] = {
    "pii_detection": PiiDetector,
    "toxic_content": ToxicityDetector,
    "prompt_injection": InjectionDetector,
    "content_policy": PolicyDetector,
}


@dataclass(frozen=True)
class Evaluator:
    """A guardrail, compiled."""

    guardrail: Guardrail
    detector: Detector


def compile_guardrail(guardrail: Guardrail) -> Evaluator:
    """Reads the config once. Raises `GuardrailConfigError`, which names the guardrail and the field."""
    make = TYPES.get(guardrail.type)
    if make is None:
        raise GuardrailConfigError(
            guardrail.name, "guardrail_type", f"is not known; known: {', '.join(sorted(TYPES))}"
        )
    return Evaluator(guardrail, make(Config.of(guardrail.name, guardrail.config)))


def compile_all(
    guardrails: Iterable[Guardrail],
) -> tuple[Sequence[Evaluator], Sequence[GuardrailConfigError]]:
    """The active guardrails that can be used, and why the others cannot: a broken one does not stop the rest."""
    compiled, refused = [], []
    for guardrail in guardrails:
        if guardrail.is_active:
            try:
                compiled.append(compile_guardrail(guardrail))
            except GuardrailConfigError as error:
                refused.append(error)
    return compiled, refused
