"""How much of what a guardrail finds it still finds when the text is written evasively."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.registry import Evaluator
from prompt_worker.guardrails.text.lazy import lazy
from prompt_worker.guardrails.text.views import Text, View
from tests.guardrails_quality.evasions import EVASIONS


class WrittenText(Text):
    """A text of which only the written view exists: to measure what the others are worth."""

    @lazy
    def folded(self) -> View:
        return self.written

    @lazy
    def spelled(self) -> View:
        return self.written

    @lazy
    def hidden(self) -> tuple[View, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Evasion:
    """An evasion of `texts` that are flagged when written plainly, and the fractions of them that still are.

    `raw`: when only the text as it is written is read; `normalised`: when the other views are read too.
    """

    name: str
    texts: int
    raw: float
    normalised: float


def measure_evasions(evaluator: Evaluator, positives: Sequence[str]) -> list[Evasion]:
    """Each evasion tried on the texts of `positives` that the guardrail finds."""
    plain = [
        text for text, found in zip(positives, _flagged(evaluator, positives, Text), strict=True) if found
    ]
    measured = []
    for name, evade in EVASIONS.items():
        evaded = [evade(text) for text in plain]
        raw, normalised = (sum(_flagged(evaluator, evaded, text_type)) for text_type in (WrittenText, Text))
        measured.append(Evasion(name, len(plain), raw / max(1, len(plain)), normalised / max(1, len(plain))))
    return measured


def _flagged(evaluator: Evaluator, texts: Sequence[str], text_type: type[Text]) -> list[bool]:
    return [bool(matches) for matches in evaluator.detector.detect(Texts(texts, text_type))]
