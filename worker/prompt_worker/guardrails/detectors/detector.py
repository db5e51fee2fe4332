"""What a detector is: made from a config, given texts, it returns the matches in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.text.patterns import PatternSet


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """A span of one text: `start` and `end` in characters of the raw text, `score` from 0 to 1."""

    start: int
    end: int
    rule: str
    score: float


class Detector(Protocol):
    """A config made ready to read texts."""

    @property
    def version(self) -> str:
        """Another one whenever the same text may be judged differently."""
        ...

    @property
    def sets(self) -> Sequence[PatternSet]:
        """Patterns that are searched in every text: those of all detectors are searched in one pass."""
        ...

    def detect(self, texts: Texts) -> list[list[Match]]:
        """For each text, in order, its matches sorted by their spans."""
        ...
