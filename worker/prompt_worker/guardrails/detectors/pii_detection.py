"""Personal data: known entities by pattern and check, and an owner's own patterns.

Config, every field optional (all entities where neither of the first two is given):
    entity_types    list of US_SSN, CREDIT_CARD, PHONE_NUMBER, EMAIL_ADDRESS, IBAN_CODE (or SSN, PHONE, EMAIL, IBAN)
    patterns        list of regular expressions in RE2's syntax
    redaction_mode  kept for the service that blocks or masks; not read here

A pattern with the shape of a known entity only proposes: the entity's check decides, so that a pattern for 16 digits
does not flag every long number. A match of any other pattern is a finding, reported as `PATTERN_1`, `PATTERN_2`, … by
its position in the list. An unknown name in `entity_types` is accepted beside `patterns`, which may be meant for it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from prompt_worker.guardrails.detectors.config import Config
from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.entities import ENTITIES, Entity, Found, entity_named
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.text.patterns import Pattern, PatternError, PatternSet, compile_pattern
from prompt_worker.guardrails.text.views import Text, View

VERSION = "pii-2"
# Thousands of harmless numbers must not hide one that is not; megabytes of them may, except when masking.
_CANDIDATES_LIMIT = 100_000  # of one pattern in one text
_LONGEST_CANDIDATE = 500_000  # characters: a text of nothing but digits and spaces is one candidate
_BESIDE = 3  # characters between two findings that touch
# What is found is blanked before the text is searched again: a number beside it is then no part of it.
_ROUNDS = 3
_BLANK = "\N{OBJECT REPLACEMENT CHARACTER}"


class PiiDetector:
    """Compiled from one config."""

    version = VERSION

    def __init__(self, config: Config) -> None:
        self._entities = _selected(config)
        own = config.strings("patterns") or []
        self._proposed_by = {entity.name: entity for entity in self._entities}
        patterns = [Pattern(entity.name, entity.candidate) for entity in self._entities]
        for index, expression in enumerate(own):
            rule = f"PATTERN_{index + 1}"
            entity = _shape(config, index, expression, self._entities or ENTITIES)
            if entity is not None:
                self._proposed_by[rule] = entity
            patterns.append(Pattern(rule, expression, case_sensitive=True, owned=True))
        self._patterns = PatternSet(patterns)
        self.sets = (self._patterns,)

    def detect(self, texts: Texts) -> list[list[Match]]:
        found: list[list[Match]] = [[] for _ in texts.all]
        for index, text in texts.suspicious(*self.sets):
            found[index] = self._in_text(text, texts.enough)
        return found

    def _in_text(self, text: Text, enough: int) -> list[Match]:
        views = [text.written]
        views += [view for view in (text.folded, text.unescaped) if view is not views[-1]]
        found: dict[tuple[str, int, int], Match] = {}
        for view in (*views, *text.hidden):
            searched = view
            for _ in range(_ROUNDS):
                spans = list(self._in_view(text, searched, enough))
                for rule, start, end, score in spans:
                    match = Match(*view.raw_span(start, end), rule, score)
                    found.setdefault((rule, match.start, match.end), match)
                known = [(start, end) for rule, start, end, _ in spans if rule in _PRECEDENCE]
                if not known:
                    break
                searched = View(_blanked(searched.text, known))
        return _without_overlaps(found.values())

    def _in_view(self, text: Text, view: View, enough: int) -> Iterator[tuple[str, int, int, float]]:
        number, longest = max(enough, _CANDIDATES_LIMIT), max(enough, _LONGEST_CANDIDATE)
        decided = [
            one
            for pattern, candidates in text.each(self._patterns, view)
            for one in islice(
                self._decide(pattern.rule, view.text, islice(candidates, number), longest), enough
            )
        ]
        if not decided:
            return
        starts, ends = {one.start for _, one in decided}, {one.end for _, one in decided}
        for rule, one in decided:
            if one.touched_before and ends.isdisjoint(range(one.start - _BESIDE, one.start)):
                continue
            if one.touched_after and starts.isdisjoint(range(one.end + 1, one.end + 1 + _BESIDE)):
                continue
            yield rule, one.start, one.end, one.score

    def _decide(
        self, rule: str, text: str, candidates: Iterable[tuple[int, int]], longest: int
    ) -> Iterator[tuple[str, Found]]:
        entity = self._proposed_by.get(rule)
        for start, end in candidates:
            if entity is None:
                yield rule, Found(start, end, 1.0)
            else:
                for found in entity.check(text, start, min(end, start + longest)):
                    yield entity.name, found


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        parts += (text[position:start], _BLANK * (end - max(start, position)))
        position = max(position, end)
    return "".join((*parts, text[position:]))


def _selected(config: Config) -> Sequence[Entity]:
    names = config.strings("entity_types")
    if names is None:
        return () if config.strings("patterns") else ENTITIES
    wanted = []
    for index, name in enumerate(names):
        entity = entity_named(name)
        if entity is not None:
            wanted.append(entity)
        elif not config.strings("patterns"):
            known = ", ".join(entity.name for entity in ENTITIES)
            raise config.refuse(
                f"entity_types[{index}]", f"is not known, and there are no patterns for it; known: {known}"
            )
    if not wanted and not config.strings("patterns"):
        raise config.refuse("entity_types", "selects nothing, and there are no patterns")
    return [entity for entity in ENTITIES if entity in wanted]


def _shape(config: Config, index: int, expression: str, entities: Sequence[Entity]) -> Entity | None:
    try:
        compiled = compile_pattern(expression, case_sensitive=True)
    except PatternError as error:
        raise config.refuse(f"patterns[{index}]", str(error)) from None
    for entity in entities:
        if any(compiled.fullmatch(example) for example in entity.examples):
            return entity
    return None


_PRECEDENCE = {entity.name: rank for rank, entity in enumerate(ENTITIES)}


def _without_overlaps(matches: Iterable[Match]) -> list[Match]:
    # Characters belong to one entity: the first in `ENTITIES`, then the longer. Owners' patterns may overlap them.
    kept: list[Match] = []
    claimed: list[tuple[int, int]] = []  # in order, no two of them overlapping
    for match in sorted(
        matches, key=lambda match: (_PRECEDENCE.get(match.rule, -1), match.start - match.end)
    ):
        if match.rule in _PRECEDENCE:
            place = bisect(claimed, (match.start, match.end))
            if (place and claimed[place - 1][1] > match.start) or (
                place < len(claimed) and claimed[place][0] < match.end
            ):
                continue
            claimed.insert(place, (match.start, match.end))
        kept.append(match)
    return sorted(kept)
