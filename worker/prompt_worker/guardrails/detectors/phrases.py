"""An owner's phrases and expressions, read from a config and found in a view of a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_worker.guardrails.detectors.config import Config
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.text.confusables import FOLD
from prompt_worker.guardrails.text.patterns import (
    Pattern,
    PatternError,
    PatternSet,
    compile_pattern,
    phrase_expression,
)
from prompt_worker.guardrails.text.views import Text, View

SQUEEZED_LEAST = 8  # letters: shorter phrases would be found inside other words where the spaces are lost


class Phrases:
    """Literal phrases, reported as `RULE_1`, `RULE_2`, … by their positions in the list."""

    def __init__(
        self,
        config: Config,
        field: str,
        phrases: Sequence[str],
        *,
        case_sensitive: bool,
        whole_word: bool = True,
        rule: str = "phrase",
    ) -> None:
        spaced, squeezed = [], []
        for index, phrase in enumerate(phrases):
            name = f"{rule}_{index + 1}"
            for spelling in dict.fromkeys((phrase, phrase.translate(FOLD))):
                if not spelling.strip():
                    raise config.refuse(f"{field}[{index}]", "has no visible character")
                expression = phrase_expression(spelling, whole_word=whole_word)
                spaced.append(Pattern(name, expression, case_sensitive=case_sensitive))
                if sum(map(str.isalnum, spelling)) >= SQUEEZED_LEAST:
                    expression = phrase_expression(spelling, squeezed=True)
                    squeezed.append(Pattern(name, expression, case_sensitive=case_sensitive))
        try:
            self.spaced = PatternSet(spaced)
            self._squeezed = PatternSet(squeezed)
        except PatternError as error:
            raise config.refuse(field, str(error)) from None

    def find(self, text: Text, view: View) -> Iterator[Match]:
        """The matches in one view of the text."""
        for pattern, start, end in text.find(self._squeezed if view.squeezed else self.spaced, view):
            yield Match(*view.raw_span(start, end), pattern.rule, pattern.score)


def expressions(config: Config, field: str, rule: str, *, case_sensitive: bool) -> list[Pattern]:
    """The regular expressions of a field. Raises `GuardrailConfigError`, which names the one that RE2 refuses."""
    found = []
    for index, expression in enumerate(config.strings(field) or []):
        try:
            compile_pattern(expression, case_sensitive=case_sensitive)
        except PatternError as error:
            raise config.refuse(f"{field}[{index}]", str(error)) from None
        found.append(Pattern(f"{rule}_{index + 1}", expression, case_sensitive=case_sensitive, owned=True))
    return found
