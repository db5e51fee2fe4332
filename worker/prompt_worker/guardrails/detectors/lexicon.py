"""Lists of words in files, found in one pass: which word of which list is where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from prompt_worker.guardrails.text.patterns import Pattern, PatternSet, phrase_expression

SQUEEZED_LEAST = 5  # letters: shorter terms would be found inside other words where the spaces are lost


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase of a list. `strong`: rude in any context; otherwise evidence beside a score."""

    words: str
    strong: bool

    @property
    def expression(self) -> str:
        """In RE2's syntax; a term that ends in * also matches longer words."""
        stem = self.words.removesuffix("*")
        return (
            phrase_expression(stem).removesuffix("\\b") + "\\w*"
            if stem != self.words
            else phrase_expression(stem)
        )


@cache
def terms_of(name: str) -> tuple[Term, ...]:
    """The terms of `lexicons/NAME.txt`."""
    lines = (
        (files("prompt_worker.guardrails.detectors") / "lexicons" / f"{name}.txt")
        .read_text("utf-8")
        .splitlines()
    )
    return tuple(
        Term(line.removeprefix("~"), not line.startswith("~")) for line in lines if line[:1] not in ("", "#")
    )


class Lexicon:
    """Terms of several lists, and phrases beside them. `strong` has each list's name and the score of its strong terms.

    A list is two patterns: one of its strong terms, one of its weak ones with the score 0.
    """

    def __init__(self, strong: Mapping[str, float], phrases: Sequence[Pattern] = ()) -> None:
        spaced, squeezed = list(phrases), []
        for name, score in strong.items():
            for is_strong in (True, False):
                terms = [term for term in terms_of(name) if term.strong is is_strong]
                if terms:
                    worth = score if is_strong else 0.0
                    spaced.append(Pattern(name, "|".join(term.expression for term in terms), worth))
                    squeezed.append(Pattern(name, "|".join(_squeezed(terms)), worth))
        self.spaced = PatternSet(spaced)
        self._squeezed = PatternSet(squeezed)

    def find(self, text: str, *, squeezed: bool) -> Iterator[tuple[Pattern, int, int]]:
        """Each term and phrase that is in the text: its pattern, start and end."""
        return (self._squeezed if squeezed else self.spaced).find(text)


def _squeezed(terms: Sequence[Term]) -> list[str]:
    stems = [term.words.removesuffix("*") for term in terms]
    return [
        phrase_expression(stem, squeezed=True)
        for stem in stems
        if sum(map(str.isalpha, stem)) >= SQUEEZED_LEAST
    ] + [f"^{phrase_expression(stem, squeezed=True)}$" for stem in stems]
