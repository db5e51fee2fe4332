"""Toxic language: a model's score, words and phrases by category, and an allowance for lessons on difficult subjects.

Config, every field optional:
    toxicity_threshold         0 to 1, default 0.7: from this score on a passage is toxic
    categories                 list of profanity, hate_speech, violence, sexual_content; default all
    allow_educational_context  default false; true: in the language of lessons the threshold is raised, and the model's
                               score alone or a word alone is not enough. Slurs and threats are judged as anywhere else.

A passage is a few sentences. Where words or phrases of a category make it toxic, they are the spans and the category is
the rule; where only the model finds it toxic, the passage is the span and the rule is `toxicity`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prompt_worker.guardrails.detectors.abuse import ABUSE, NEVER_WAIVED, RUDE
from prompt_worker.guardrails.detectors.config import Config
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.education import is_educational
from prompt_worker.guardrails.detectors.lexicon import Lexicon
from prompt_worker.guardrails.detectors.texts import Texts, Window

VERSION = "toxicity-2"
CATEGORIES = ("hate_speech", "profanity", "sexual_content", "violence")
UNNAMED = "toxicity"  # the rule where only the model finds it

_OTHER_NAMES = {
    "hate": "hate_speech",
    "sexual": "sexual_content",
    "threat": "violence",
    "threats": "violence",
}
_LEXICON = Lexicon(
    {"hate_speech": NEVER_WAIVED, "violence": NEVER_WAIVED, "profanity": RUDE, "sexual_content": RUDE}, ABUSE
)

# What the signals are worth; chosen on the development part of the labelled texts.
SURE = 0.95  # a slur or a threat
STRONG = 0.8  # a word that is rude in any context, an insult aimed at somebody
ALONE = 1.0  # subtracted from the model's logit where no word supports it
RAISED = 0.5  # how far the threshold moves towards 1 in an educational context


@dataclass(frozen=True, slots=True)
class _Signal:
    """A term or phrase in a window. Strong: it makes a passage toxic without the model."""

    category: str
    strong: bool
    never_waived: bool
    start: int
    end: int


class ToxicityDetector:
    """Compiled from one config."""

    version = VERSION
    sets = (_LEXICON.spaced,)

    def __init__(self, config: Config) -> None:
        self._threshold = config.fraction("toxicity_threshold", 0.7)
        self._categories = _categories(config)
        self._educational = config.flag("allow_educational_context", default=False)

    def detect(self, texts: Texts) -> list[list[Match]]:
        found: list[set[Match]] = [set() for _ in texts.all]
        for window, model_score in zip(texts.windows, texts.scores("toxicity"), strict=True):
            if model_score >= self._threshold or texts.may_hold(window, _LEXICON.spaced):
                found[window.index].update(self._in_window(window, model_score))
        return [_outermost(matches) for matches in found]

    def _in_window(self, window: Window, model_score: float) -> Iterator[Match]:
        text = window.text
        signals = list(_signals(text, squeezed=window.view.squeezed))
        if not signals and model_score < self._threshold:
            return
        threshold, needed = self._threshold, 1
        if self._educational and is_educational(text):
            threshold, needed = threshold + (1 - threshold) * RAISED, 2
        wanted = [signal for signal in signals if signal.category in self._categories]
        for signal in wanted:
            if signal.never_waived and self._threshold <= SURE:
                yield _match(window, signal, max(SURE, model_score))
        score = _score(model_score, wanted)
        supported = any(signal.strong for signal in wanted) + (model_score >= self._threshold)
        if score < threshold or supported < needed or (signals and not wanted):
            return
        for signal in wanted:
            if not signal.never_waived:
                yield _match(window, signal, score)
        if not wanted:
            yield Match(*window.raw_span, UNNAMED, score)


def _signals(text: str, *, squeezed: bool) -> Iterator[_Signal]:
    for pattern, start, end in _LEXICON.find(text, squeezed=squeezed):
        yield _Signal(pattern.rule, pattern.score > 0, pattern.score == NEVER_WAIVED, start, end)


def _score(model_score: float, signals: list[_Signal]) -> float:
    if any(signal.never_waived for signal in signals):
        return max(SURE, model_score)
    if any(signal.strong for signal in signals):
        return max(STRONG, model_score)
    if signals:
        return model_score
    if model_score >= 1:
        return 1.0
    odds = model_score / (1 - model_score) * math.exp(-ALONE)
    return odds / (1 + odds)


def _match(window: Window, signal: _Signal, score: float) -> Match:
    start, end = window.view.raw_span(window.start + signal.start, window.start + signal.end)
    return Match(start, end, signal.category, round(score, 4))


def _outermost(matches: Iterable[Match]) -> list[Match]:
    kept: dict[str, Match] = {}
    found = []
    for match in sorted(matches, key=lambda match: (match.start, -match.end, -match.score)):
        last = kept.get(match.rule)
        if last is None or match.end > last.end:
            kept[match.rule] = match
            found.append(match)
    return sorted(found)


def _categories(config: Config) -> frozenset[str]:
    names = config.strings("categories")
    if names is None:
        return frozenset(CATEGORIES)
    chosen = set()
    for index, name in enumerate(names):
        plain = name.strip().lower().replace(" ", "_").replace("-", "_")
        category = _OTHER_NAMES.get(plain, plain)
        if category not in CATEGORIES:
            raise config.refuse(f"categories[{index}]", f"is not known; known: {', '.join(CATEGORIES)}")
        chosen.add(category)
    if not chosen:
        raise config.refuse("categories", "selects nothing; leave it out for all categories")
    return frozenset(chosen)
