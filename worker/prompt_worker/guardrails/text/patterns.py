"""Many patterns over one text, in linear time: an RE2 set says which of them match, only those are then searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import re2

MATCHES_LIMIT = 200  # of one pattern in one text: a hundred more say nothing new
_SET_MEMORY = 64 << 20  # bytes
_BETWEEN = r"[^\pL\pN]"  # between the words of a phrase
# Instructions of an owner's compiled expression: counted repetitions, of which a search can have many open at a time.
_HEAVY = 1000


class PatternError(ValueError):
    """RE2 refused the pattern; says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2's syntax, reported as `rule`, found with `score`."""

    rule: str
    expression: str
    score: float = 1.0
    case_sensitive: bool = False
    owned: bool = False  # an owner wrote the expression


def compile_pattern(expression: str, *, case_sensitive: bool = False) -> re2._Regexp:
    """One pattern. Raises `PatternError` for what RE2 refuses: look-around, back-references, a wrong syntax."""
    try:
        return re2.compile(expression, _options(case_sensitive=case_sensitive))
    except (re2.error, UnicodeEncodeError) as error:
        reason = (
            error.args[0].decode(errors="replace")
            if error.args and isinstance(error.args[0], bytes)
            else "not text"
        )
        raise PatternError(
            f"RE2 refuses the pattern ({reason}); write it without look-around and back-references"
        ) from None


class PatternSet:
    """Patterns compiled once, used for every text. `heavy`: one of them slows a joint search."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = patterns
        self._compiled = [
            compile_pattern(pattern.expression, case_sensitive=pattern.case_sensitive) for pattern in patterns
        ]
        self.heavy = any(
            pattern.owned and compiled.programsize > _HEAVY
            for pattern, compiled in zip(patterns, self._compiled, strict=True)
        )

    @cached_property
    def _set(self) -> re2.Set | None:
        return search_set(self.patterns)

    def matching(self, text: str) -> list[int]:
        """The indexes of the patterns that match; one that matches only in another case may be among them."""
        if self._set is None:
            return list(range(len(self.patterns)))
        return sorted(self._set.Match(text) or ()) if self.patterns else []

    def each(
        self, text: str, among: Iterable[int] | None = None
    ) -> Iterator[tuple[Pattern, Iterator[tuple[int, int]]]]:
        """The patterns that match, each with its matches that are not empty: start and end in characters.

        `among` are the indexes of the patterns to search, where `matching` is known already.
        """
        # In a text of ASCII the bytes have the positions of the characters, and RE2 searches them in half the time.
        searched = text.encode() if text.isascii() else text
        for index in self.matching(text) if among is None else among:
            spans = (match.span() for match in self._compiled[index].finditer(searched))
            yield self.patterns[index], ((start, end) for start, end in spans if start < end)

    def find(self, text: str, among: Iterable[int] | None = None) -> Iterator[tuple[Pattern, int, int]]:
        """For each pattern its first `MATCHES_LIMIT` matches: the pattern, start and end in characters."""
        for pattern, spans in self.each(text, among):
            for start, end in islice(spans, MATCHES_LIMIT):
                yield pattern, start, end


def search_set(patterns: Iterable[Pattern]) -> re2.Set | None:
    """One set of all patterns; None where they are too many for it.

    It is a sieve and may let too much through: it ignores case, and which signs are letters of other scripts (a search
    for these would need far more memory).
    """
    joined = re2.Set.SearchSet(_options(case_sensitive=False, memory=_SET_MEMORY))
    for pattern in patterns:
        wider = pattern.expression if pattern.owned else pattern.expression.replace(_BETWEEN, "[^0-9A-Za-z]")
        joined.Add(wider)
    try:
        joined.Compile()
    except re2.error:
        return None
    return joined


def _options(*, case_sensitive: bool, memory: int = 0) -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # RE2 would write the pattern to standard error
    options.never_capture = True  # spans of groups cost time, and are not used
    options.case_sensitive = case_sensitive
    if memory:
        options.max_mem = memory
    return options


def phrase_expression(phrase: str, *, whole_word: bool = True, squeezed: bool = False) -> str:
    """A phrase as an expression: any white space or punctuation between its words; none at all when `squeezed`."""
    between = f"{_BETWEEN}*" if squeezed else f"{_BETWEEN}{{1,5}}"
    words = phrase.split()
    expression = between.join(str(re2.escape(word)) for word in words)
    if whole_word and not squeezed:
        expression = f"{_edge(words[0][0])}{expression}{_edge(words[-1][-1])}"
    return expression


def _edge(character: str) -> str:
    return "\\b" if character.isascii() and (character.isalnum() or character == "_") else ""
