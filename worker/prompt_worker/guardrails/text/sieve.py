"""All patterns of all guardrails in one pass over a text: which of them are worth searching in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from prompt_worker.guardrails.text.patterns import PatternSet, search_set

Hits = Mapping[PatternSet, Sequence[int]]  # the indexes in the set of the patterns that match

_NONE: Hits = {}


class Sieve:
    """Searches `sets` at the cost of one. A set with a heavy pattern is searched separately, and slows no other."""

    def __init__(self, sets: Sequence[PatternSet]) -> None:
        self.sets = frozenset(sets)
        together = [one for one in sets if not one.heavy]
        self._patterns = [(one, index) for one in together for index in range(len(one.patterns))]
        joined = search_set(one.patterns[index] for one, index in self._patterns)
        self._joined = joined if self._patterns else None
        self._apart = [one for one in sets if one.heavy] if joined else list(sets)

    def hits(self, text: str) -> Hits:
        """Which patterns match `text`; the other sets have none."""
        matching = self._joined.Match(text) if self._joined else None
        if not matching and not self._apart:
            return _NONE
        found: dict[PatternSet, list[int]] = {}
        for number in sorted(matching or ()):
            one, index = self._patterns[number]
            found.setdefault(one, []).append(index)
        for one in self._apart:
            if indexes := one.matching(text):
                found[one] = indexes
        return found


@lru_cache(maxsize=64)
def sieve(sets: tuple[PatternSet, ...]) -> Sieve:
    """The sieve of these sets, made once."""
    return Sieve(sets)
