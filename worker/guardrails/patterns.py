"""Many patterns over one text, in linear time: an RE2 set says which of them match, only those are then looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import re2

MATCHES_LIMIT = 200  # of one pattern in one text: a hundred more say nothing new
_SET_MEMORY = 64 << 20


class PatternError(ValueError):
    """RE2 refused the pattern; says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2's syntax, reported as `rule`, found with `score`."""

    rule: str
    expression: str
    score: float = 1.0
    case_sensitive: bool = False


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
    """Compiled once, used for every text."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._compiled = [
            compile_pattern(pattern.expression, case_sensitive=pattern.case_sensitive) for pattern in patterns
        ]
        # A set has one setting for case; as a sieve it may let through more than the patterns themselves do.
        self._set = re2.Set.SearchSet(_options(case_sensitive=False, memory=_SET_MEMORY))
        for pattern in patterns:
            self._set.Add(pattern.expression)
        self._set.Compile()

    def find(self, text: str, limit: int = MATCHES_LIMIT) -> Iterator[tuple[Pattern, int, int]]:
        """Matches that are not empty, of each pattern the first `limit`: the pattern, start and end in characters."""
        if not self._patterns:
            return
        for index in sorted(self._set.Match(text) or ()):
            found = 0
            for match in self._compiled[index].finditer(text):
                start, end = match.span()
                if start < end:
                    yield self._patterns[index], start, end
                    found += 1
                    if found >= limit:
                        break


def _options(*, case_sensitive: bool, memory: int = 0) -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # RE2 would write the pattern to standard error
    options.never_capture = True  # spans of groups cost, and nobody asks for them
    options.case_sensitive = case_sensitive
    if memory:
        options.max_mem = memory
    return options


def phrase_expression(phrase: str, *, whole_word: bool = True, squeezed: bool = False) -> str:
    """A phrase as an expression: any white space or punctuation between its words; none at all when `squeezed`."""
    between = "[^\\pL\\pN]*" if squeezed else "[^\\pL\\pN]{1,5}"
    words = phrase.split()
    expression = between.join(str(re2.escape(word)) for word in words)
    if whole_word and not squeezed:
        expression = f"{_edge(words[0][0])}{expression}{_edge(words[-1][-1])}"
    return expression


def _edge(character: str) -> str:
    return "\\b" if character.isascii() and (character.isalnum() or character == "_") else ""
