"""All patterns of all guardrails in one pass over a text: which of them are worth looking for in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from prompt_worker.guardrails.text.patterns import PatternSet, search_set

Hits = Mapping[PatternSet, Sequence[int]]  # the places in the set of the patterns that match

_NONE: Hits = {}


class Sieve:
    """Costs a text what a single set costs. A set with a heavy pattern is searched apart: it slows no other."""

    def __init__(self, sets: Sequence[PatternSet]) -> None:
        self.sets = frozenset(sets)
        together = [one for one in sets if not one.heavy]
        self._patterns = [(one, place) for one in together for place in range(len(one.patterns))]
        joined = search_set(one.patterns[place] for one, place in self._patterns)
        self._joined = joined if self._patterns else None
        self._apart = [one for one in sets if one.heavy] if joined else list(sets)

    def hits(self, text: str) -> Hits:
        """Which patterns match `text`; the other sets have none."""
        matching = self._joined.Match(text) if self._joined else None
        if not matching and not self._apart:
            return _NONE
        found: dict[PatternSet, list[int]] = {}
        for number in sorted(matching or ()):
            one, place = self._patterns[number]
            found.setdefault(one, []).append(place)
        for one in self._apart:
            if places := one.matching(text):
                found[one] = places
        return found


@lru_cache(maxsize=64)
def sieve(sets: tuple[PatternSet, ...]) -> Sieve:
    """Made once for the same sets."""
    return Sieve(sets)
