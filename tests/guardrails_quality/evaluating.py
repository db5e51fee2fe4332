"""Guardrails measured on files of labelled texts: a line for each guardrail and file, for personal data each entity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prompt_worker.guardrails.registry import Evaluator
from tests.guardrails_quality.counts import Counts, total
from tests.guardrails_quality.judging import count_spans, count_texts, judge
from tests.guardrails_quality.labelled import LabelledText, labelled_type, read_part


@dataclass(frozen=True, slots=True)
class Measured:
    """The counts of a guardrail on a file; `entity_type` is empty except for personal data."""

    file: str
    guardrail_type: str
    entity_type: str
    counts: Counts

    def measures(self) -> dict[str, float | None]:
        """By name, each from 0 to 1; None where nothing was there to measure."""
        counts = self.counts
        measured = counts.true_positives + counts.false_negatives > 0
        return {
            "precision": counts.precision if measured else None,
            "recall": counts.recall,
            "f1": counts.f_measure(1) if measured else None,
            "f2": counts.f_measure(2) if measured and self.entity_type else None,
            "false_positive_rate": counts.false_positive_rate,
        }


def measure_files(
    evaluators: Sequence[Evaluator], files: Iterable[Path], *, part: str, chosen_type: str | None
) -> list[Measured]:
    """Ordinary texts are judged by all guardrails, labelled ones by those of the labels' type.

    Raises `SettingsError`.
    """
    measured: list[Measured] = []
    for path in files:
        texts = read_part(path, part)
        if texts and all(text.label is None and text.spans is None for text in texts):
            measured.extend(
                Measured(path.stem, one.guardrail.type, "", count_texts(judge(one, texts)))
                for one in evaluators
            )
        for one in evaluators:
            if texts and one.guardrail.type == labelled_type(path, texts, chosen_type):
                measured.extend(_measured(path, one, texts))
    return measured


def _measured(path: Path, evaluator: Evaluator, texts: Sequence[LabelledText]) -> list[Measured]:
    guardrail_type = evaluator.guardrail.type
    judged = list(judge(evaluator, texts))
    if texts[0].spans is None:
        return [Measured(path.stem, guardrail_type, "", count_texts(judged))]
    by_entity = count_spans(judged)
    measured = [Measured(path.stem, guardrail_type, entity, counts) for entity, counts in by_entity.items()]
    return [*measured, Measured(path.stem, guardrail_type, "all entities", total(by_entity.values()))]
