"""Prompt injection: an owner's phrases, known phrasings, and a model's score.

Config, every field optional:
    patterns             list of phrases, found with any white space or punctuation between their words
    regex_patterns       list of regular expressions in RE2's syntax
    case_sensitive       default false; for both lists
    injection_threshold  0 to 1, default 0.7: from this score on a passage is an injection; null: own lists only

Rules: `phrase_1`, `regex_1`, … by their positions in the lists; the names in `override.py`; `injection` where only the
model finds it, with the passage as the span.
"""

from __future__ import annotations

from collections.abc import Iterator

from prompt_worker.guardrails.detectors.config import Config
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.override import OVERRIDES
from prompt_worker.guardrails.detectors.phrases import Phrases, expressions
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.text.patterns import Pattern, PatternSet
from prompt_worker.guardrails.text.views import Text

VERSION = "injection-2"
UNNAMED = "injection"  # the rule where only the model finds it


class InjectionDetector:
    """Compiled from one config."""

    version = VERSION

    def __init__(self, config: Config) -> None:
        case_sensitive = config.flag("case_sensitive", default=False)
        asks_model = config.fields.get("injection_threshold", 0.7) is not None
        self._threshold = config.fraction("injection_threshold", 0.7) if asks_model else None
        phrases = config.strings("patterns") or []
        own = expressions(config, "regex_patterns", "regex", case_sensitive=case_sensitive)
        if not asks_model and not phrases and not own:
            raise config.refuse(
                "patterns", "is empty, and injection_threshold is null: nothing would be found"
            )
        self._phrases = Phrases(config, "patterns", phrases, case_sensitive=case_sensitive)
        known: tuple[Pattern, ...] = ()
        if self._threshold is not None:
            known = tuple(pattern for pattern in OVERRIDES if pattern.score >= self._threshold)
        self._patterns = PatternSet((*own, *known))
        self.sets = (self._phrases.spaced, self._patterns)

    def detect(self, texts: Texts) -> list[list[Match]]:
        found: list[dict[tuple[str, int, int], Match]] = [{} for _ in texts.all]
        for index, text in texts.suspicious(*self.sets):
            found[index].update({(match.rule, match.start, match.end): match for match in self._named(text)})
        if self._threshold is not None:
            for window, score in zip(texts.windows, texts.scores("injection"), strict=True):
                if score >= self._threshold:
                    match = Match(*window.raw_span, UNNAMED, round(score, 4))
                    found[window.index].setdefault((match.rule, match.start, match.end), match)
        return [sorted(matches.values()) for matches in found]

    def _named(self, text: Text) -> Iterator[Match]:
        for view in text.views:
            yield from self._phrases.find(text, view)
            for pattern, start, end in text.find(self._patterns, view):
                yield Match(*view.raw_span(start, end), pattern.rule, pattern.score)
