"""Content policy: an owner's own words, phrases and patterns.

Config, at least one of the first three:
    words           list of words; a word ending in * also matches longer words
    phrases         list of phrases, found with any white space or punctuation between their words
    patterns        list of regular expressions in RE2's syntax
    whole_word      default true: words and phrases do not match inside longer words; false: they do
    case_sensitive  default false

    {"words": ["vape*", "lottery"], "phrases": ["do my homework"], "patterns": ["\\bquiz key \\d+\\b"]}

Rules: `word_1`, `phrase_1`, `pattern_1`, … by their positions in the lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_worker.guardrails.detectors.config import Config
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.phrases import Phrases, expressions
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.text.confusables import FOLD
from prompt_worker.guardrails.text.patterns import Pattern, PatternSet, phrase_expression
from prompt_worker.guardrails.text.views import Text

VERSION = "policy-1"


class PolicyDetector:
    """Compiled from one config."""

    version = VERSION

    def __init__(self, config: Config) -> None:
        whole_word = config.flag("whole_word", default=True)
        case_sensitive = config.flag("case_sensitive", default=False)
        words, phrases = config.strings("words") or [], config.strings("phrases") or []
        patterns = expressions(config, "patterns", "pattern", case_sensitive=case_sensitive)
        if not words and not phrases and not patterns:
            raise config.refuse("words", "words, phrases and patterns are all empty: nothing would be found")
        patterns.extend(_words(config, words, whole_word=whole_word, case_sensitive=case_sensitive))
        self._patterns = PatternSet(patterns)
        self._phrases = Phrases(
            config, "phrases", phrases, whole_word=whole_word, case_sensitive=case_sensitive
        )
        self.sets = (self._phrases.spaced, self._patterns)

    def detect(self, texts: Texts) -> list[list[Match]]:
        found: list[list[Match]] = [[] for _ in texts.all]
        for index, text in texts.suspicious(*self.sets):
            found[index] = sorted(set(self._in_text(text)))
        return found

    def _in_text(self, text: Text) -> Iterator[Match]:
        for view in text.views:
            yield from self._phrases.find(text, view)
            for pattern, start, end in text.find(self._patterns, view):
                yield Match(*view.raw_span(start, end), pattern.rule, pattern.score)


def _words(
    config: Config, words: Sequence[str], *, whole_word: bool, case_sensitive: bool
) -> Iterator[Pattern]:
    for index, word in enumerate(words):
        if len(word.split()) > 1:
            raise config.refuse(f"words[{index}]", "holds a space: put it under phrases")
        stem = word.strip().rstrip("*")
        if not stem.translate(FOLD).strip():
            raise config.refuse(f"words[{index}]", "has no visible character")
        for spelling in dict.fromkeys((stem, stem.translate(FOLD))):
            expression = phrase_expression(spelling, whole_word=whole_word)
            if whole_word and word.strip().endswith("*"):
                expression = expression.removesuffix("\\b") + "[\\pL\\pN_]*"
            yield Pattern(f"word_{index + 1}", expression, case_sensitive=case_sensitive)
