"""Guardrails, findings and measures for people: tables on a terminal, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prompt_worker.guardrails.evaluation import Result
from prompt_worker.guardrails.evasions import Evasion
from prompt_worker.guardrails.guardrail import Guardrail, GuardrailConfigError
from prompt_worker.guardrails.measure import Counts
from prompt_worker.guardrails.registry import compile

_COLOURS = {"block": "bold white on red", "warn": "black on yellow", "log": "black on cyan"}


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


def print_test(text: str, result: Result) -> int:
    """The text with what was found marked in it, and a line for each finding; the exit code: 1 when there is any."""
    console = _console()
    if not result.findings:
        console.print(f"nothing found by {len(result.checked)} guardrails")
        return 0
    marked = Text(text)
    table = Table("guardrail", "rule", "action", "severity", "score", "characters", "text")
    for finding in result.findings:
        marked.stylize(_COLOURS[finding.action], finding.start, finding.end)
        table.add_row(
            finding.guardrail_name,
            finding.rule,
            finding.action,
            finding.severity,
            f"{finding.score:.2f}",
            f"{finding.start}-{finding.end}",
            Text(text[finding.start : finding.end]),
        )
    console.print(marked)
    console.print(table)
    console.print(f"outcome: {result.outcome}")
    return 1


def print_guardrails(guardrails: Sequence[Guardrail]) -> int:
    """What is active and whether it can be used; the exit code: 1 when one cannot."""
    console = _console()
    table = Table("name", "type", "severity", "action", "templates", "categories", "state")
    refused = 0
    for guardrail in guardrails:
        state = Text("active", "green") if guardrail.is_active else Text("inactive", "dim")
        try:
            compile(guardrail)
        except GuardrailConfigError as error:
            refused += 1
            state = Text(str(error), "bold red")
        table.add_row(
            guardrail.name,
            guardrail.type,
            guardrail.severity,
            guardrail.action,
            ", ".join(guardrail.applies_to_templates) or "all",
            ", ".join(guardrail.applies_to_categories) or "all",
            state,
        )
    console.print(table)
    return 1 if refused else 0


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=160)


def _without_counts(row: Row) -> dict[str, object]:
    named = {"file": row.file, "guardrail_type": row.guardrail_type, "entity_type": row.entity_type or None}
    return {**named, **row.measures(), **asdict(row.counts)}


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
