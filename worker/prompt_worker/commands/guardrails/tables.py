"""Guardrails and what they find, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prompt_worker.guardrails.evaluation import Result
from prompt_worker.guardrails.guardrail import Guardrail, GuardrailConfigError
from prompt_worker.guardrails.registry import compile_guardrail

_COLOURS = {"block": "bold white on red", "warn": "black on yellow", "log": "black on cyan"}


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
            compile_guardrail(guardrail)
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
