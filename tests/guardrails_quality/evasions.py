"""Ways to write a text so that people still read it and plain matching does not."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.registry import Evaluator
from prompt_worker.guardrails.text.lazy import lazy
from prompt_worker.guardrails.text.views import Text, View

_CYRILLIC = str.maketrans("aceiopsxyABCEHIKMOPSTX", "асеіорѕхуАВСЕНІКМОРЅТХ")
_LEET = str.maketrans("aeioAEIO", "43104310")
_MATHEMATICAL = str.maketrans(
    {
        chr(ord(first) + step): chr(bold + step)
        for first, bold in (("a", 0x1D41A), ("A", 0x1D400))
        for step in range(26)
    }
    | {chr(ord("0") + step): chr(0x1D7CE + step) for step in range(10)}
)
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_TAGS = {code: code + 0xE0000 for code in range(0x20, 0x7F)}


def _spaced(text: str) -> str:
    return "   ".join(" ".join(word) for word in text.split())


EVASIONS: dict[str, Callable[[str], str]] = {
    "zero-width characters": "\u200b".join,
    "Cyrillic look-alikes": lambda text: text.translate(_CYRILLIC),
    "full-width letters": lambda text: text.translate(_FULL_WIDTH),
    "mathematical letters": lambda text: text.translate(_MATHEMATICAL),
    "leet": lambda text: text.translate(_LEET),
    "combining marks": lambda text: re.sub(r"(\w)", "\\1\u0336", text),
    "tag characters": lambda text: text.translate(_TAGS),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "spaced letters": _spaced,
}


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
    """Of `texts` that are flagged when written plainly, the parts still flagged: as written, and normalised too."""

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
        raw, normalised = (sum(_flagged(evaluator, evaded, kind)) for kind in (WrittenText, Text))
        measured.append(Evasion(name, len(plain), raw / max(1, len(plain)), normalised / max(1, len(plain))))
    return measured


def _flagged(evaluator: Evaluator, texts: Sequence[str], kind: type[Text]) -> list[bool]:
    return [bool(matches) for matches in evaluator.detector.detect(Texts(texts, kind))]
