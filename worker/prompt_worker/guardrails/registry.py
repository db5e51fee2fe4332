"""The guardrail types: one line each, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from prompt_worker.guardrails.detectors.content_policy import PolicyDetector
from prompt_worker.guardrails.detectors.pii_detection import PiiDetector
from prompt_worker.guardrails.detectors.prompt_injection import InjectionDetector
from prompt_worker.guardrails.detectors.toxic_content import ToxicityDetector
from prompt_worker.guardrails.finding import Match
from prompt_worker.guardrails.guardrail import Config, Guardrail, GuardrailConfigError
from prompt_worker.guardrails.text.patterns import PatternSet
from prompt_worker.guardrails.texts import Batch


class Detector(Protocol):
    """A config made ready to look at texts; `version` changes when the same text may be judged differently."""

    @property
    def version(self) -> str: ...

    @property
    def sets(self) -> Sequence[PatternSet]:
        """Patterns that are looked for in every text: those of all detectors are searched in one pass."""
        ...

    def detect(self, batch: Batch) -> list[list[Match]]:
        """For each text of the batch its matches, spans in characters of the raw text, in order."""
        ...


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
    return Evaluator(guardrail, make(Config.of(guardrail)))


def compile_all(
    guardrails: Iterable[Guardrail],
) -> tuple[Sequence[Evaluator], Sequence[GuardrailConfigError]]:
    """The active guardrails that can be used, and why the others cannot: one that is broken stops no other."""
    compiled, refused = [], []
    for guardrail in guardrails:
        if guardrail.is_active:
            try:
                compiled.append(compile_guardrail(guardrail))
            except GuardrailConfigError as error:
                refused.append(error)
    return compiled, refused
