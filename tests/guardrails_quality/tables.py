"""Measures of guardrails for people: tables on a terminal, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from tests.guardrails_quality.evasions import Evasion
from tests.guardrails_quality.measure import Counts


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an evaluation: the measures of a guardrail on a file, or of one entity type."""

    file: str
    guardrail_type: str
    entity_type: str
    counts: Counts

    def measures(self) -> dict[str, float | None]:
        counts = self.counts
        measured = counts.true_positives + counts.false_negatives > 0
        return {
            "precision": counts.precision if measured else None,
            "recall": counts.recall,
            "f1": counts.f_measure(1) if measured else None,
            "f2": counts.f_measure(2) if measured and self.entity_type else None,
            "false_positive_rate": counts.false_positive_rate,
        }


def print_measures(rows: Sequence[Row], *, as_json: bool) -> None:
    """Precision, recall, F1, F2 for personal data, and the part of the innocent texts that was flagged."""
    if as_json:
        print(json.dumps([_without_counts(row) for row in rows], indent=2))
        return
    table = Table("file", "guardrail", "entity", *(("precision", "recall", "F1", "F2")))
    for heading in ("positives", "flagged / innocent", "%"):
        table.add_column(heading, justify="right")
    for row in rows:
        values = list(row.measures().values())
        counts = row.counts
        table.add_row(
            row.file,
            row.guardrail_type,
            row.entity_type,
            *(_three(value) for value in values[:4]),
            str(counts.true_positives + counts.false_negatives),
            f"{counts.flagged} / {counts.innocent}",
            "" if values[4] is None else f"{100 * values[4]:.2f}",
        )
    _console().print(table)


def print_evasions(measured: Mapping[str, Sequence[Evasion]], *, as_json: bool) -> None:
    """For each guardrail type and evasion, the part of the flagged texts that is still flagged."""
    if as_json:
        lists = {name: [asdict(one) for one in evasions] for name, evasions in measured.items()}
        print(json.dumps(lists, indent=2))
        return
    table = Table("guardrail", "evasion", "texts", "raw only", "normalised")
    for name, evasions in measured.items():
        for one in evasions:
            table.add_row(name, one.name, str(one.texts), _three(one.raw), _three(one.normalised))
    _console().print(table)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def _without_counts(row: Row) -> dict[str, object]:
    named = {"file": row.file, "guardrail_type": row.guardrail_type, "entity_type": row.entity_type or None}
    return {**named, **row.measures(), **asdict(row.counts)}


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
