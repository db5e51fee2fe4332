"""How well guardrails judge labelled texts: counts of right and wrong, and the measures made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.entities import ENTITIES, entity_named
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.registry import Evaluator
from tests.guardrails_quality.labelled import LabelledText

SAME_PLACE = 0.5  # of the union of two spans that both must cover to be the same finding
_BATCH = 500


@dataclass(slots=True)
class Counts:
    """True and false positives and negatives: spans for personal data, otherwise texts.

    `innocent` are the texts in which nothing should be found, `flagged` those in which something was.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    innocent: int = 0
    flagged: int = 0

    @property
    def precision(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> float | None:
        return _ratio(self.flagged, self.innocent)

    def f_measure(self, beta: float) -> float | None:
        """F1 with `beta` 1; F2, with 2, holds a missed one for worse than a wrong one."""
        right = (1 + beta**2) * self.true_positives
        return _ratio(right, right + beta**2 * self.false_negatives + self.false_positives)

    def add(self, other: Counts) -> None:
        self.true_positives += other.true_positives
        self.false_positives += other.false_positives
        self.false_negatives += other.false_negatives
        self.innocent += other.innocent
        self.flagged += other.flagged


def judge(
    evaluator: Evaluator, rows: Iterable[LabelledText]
) -> Iterator[tuple[LabelledText, Sequence[Match]]]:
    """Each text with what the guardrail finds in it."""
    pending = iter(rows)
    while some := list(islice(pending, _BATCH)):
        yield from zip(some, evaluator.detector.detect(Texts([row.text for row in some])), strict=True)


def count_texts(judged: Iterable[tuple[LabelledText, Sequence[Match]]]) -> Counts:
    """By whole texts: flagged or not, against the label; a text without a label is innocent."""
    counts = Counts()
    for row, matches in judged:
        flagged = bool(matches)
        if row.label:
            counts.true_positives += flagged
            counts.false_negatives += not flagged
        else:
            counts.innocent += 1
            counts.flagged += flagged
            counts.false_positives += flagged
    return counts


def count_spans(judged: Iterable[tuple[LabelledText, Sequence[Match]]]) -> dict[str, Counts]:
    """By entity type: found spans against labelled ones of the same type. Other types' labels are left aside."""
    counts = {entity.name: Counts() for entity in ENTITIES}
    for row, matches in judged:
        wanted = [
            (entity.name, start, end)
            for name, start, end in row.spans or ()
            if (entity := entity_named(name))
        ]
        for entity_type, one in counts.items():
            labelled = [(start, end) for name, start, end in wanted if name == entity_type]
            found = [(match.start, match.end) for match in matches if match.rule == entity_type]
            right = sum(any(_same(place, other) for other in labelled) for place in found)
            one.true_positives += right
            one.false_positives += len(found) - right
            one.false_negatives += sum(not any(_same(place, other) for other in found) for place in labelled)
            one.innocent += not labelled
            one.flagged += bool(found) and not labelled
    return counts


def total(counts: Iterable[Counts]) -> Counts:
    """The sum, every finding counting the same."""
    summed = Counts()
    for one in counts:
        summed.add(one)
    return summed


def _same(one: tuple[int, int], other: tuple[int, int]) -> bool:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared >= SAME_PLACE * (max(one[1], other[1]) - min(one[0], other[0]))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
