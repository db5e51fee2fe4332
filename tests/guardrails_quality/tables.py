"""Measures of guardrails for people: tables on a terminal, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.guardrails_quality.evading import Evasion
from tests.guardrails_quality.evaluating import Measured


def print_measures(measured: Sequence[Measured], *, as_json: bool) -> None:
    """Precision, recall, F1, F2 for personal data, and the fraction of the innocent texts that was flagged."""
    if as_json:
        print(json.dumps([_as_json(one) for one in measured], indent=2))
        return
    table = Table("file", "guardrail", "entity", "precision", "recall", "F1", "F2")
    for heading in ("positives", "flagged / innocent", "%"):
        table.add_column(heading, justify="right")
    for one in measured:
        values = list(one.measures().values())
        counts = one.counts
        table.add_row(
            one.file,
            one.guardrail_type,
            one.entity_type,
            *(_three(value) for value in values[:4]),
            str(counts.true_positives + counts.false_negatives),
            f"{counts.flagged} / {counts.innocent}",
            "" if values[4] is None else f"{100 * values[4]:.2f}",
        )
    _console().print(table)


def print_evasions(measured: Mapping[str, Sequence[Evasion]], *, as_json: bool) -> None:
    """For each guardrail type and evasion, the fraction of the flagged texts that is still flagged."""
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


def _as_json(one: Measured) -> dict[str, object]:
    named = {"file": one.file, "guardrail_type": one.guardrail_type, "entity_type": one.entity_type or None}
    return {**named, **one.measures(), **asdict(one.counts)}


def _three(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
