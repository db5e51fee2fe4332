"""A guardrail's findings in labelled texts, counted against the labels: by whole texts, or by spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from prompt_worker.guardrails.detectors.detector import Match
from prompt_worker.guardrails.detectors.entities import ENTITIES, entity_named
from prompt_worker.guardrails.detectors.texts import Texts
from prompt_worker.guardrails.registry import Evaluator
from tests.guardrails_quality.counts import Counts
from tests.guardrails_quality.labelled import LabelledText

SAME_PLACE = (
    0.5  # two spans are the same finding when their overlap is at least this part of what they cover together
)
_BATCH = 500


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
    """By entity type: found spans against labelled ones of the same type. Labels of other types are ignored."""
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


def _same(one: tuple[int, int], other: tuple[int, int]) -> bool:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared >= SAME_PLACE * (max(one[1], other[1]) - min(one[0], other[0]))
