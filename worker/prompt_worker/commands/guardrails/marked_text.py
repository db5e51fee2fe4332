"""A text and what guardrails find in it: its spans marked, and a line for each finding."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.guardrails.evaluation import Evaluation

_COLOURS = {"block": "bold white on red", "warn": "black on yellow", "log": "black on cyan"}


def print_findings(text: str, evaluation: Evaluation) -> int:
    """The exit code: 1 when something was found."""
    # When piped, wide enough that no cell is cut.
    console = open_console(wrap=True, piped_width=160)
    if not evaluation.findings:
        console.print(f"nothing found by {len(evaluation.checked)} guardrails")
        return 0
    marked = Text(text)
    table = Table("guardrail", "rule", "action", "severity", "score", "characters", "text")
    for finding in evaluation.findings:
        marked.stylize(_COLOURS[finding.action], finding.start, finding.end)
        table.add_row(
            Text(finding.guardrail_name),
            finding.rule,
            finding.action,
            finding.severity,
            f"{finding.score:.2f}",
            f"{finding.start}-{finding.end}",
            Text(text[finding.start : finding.end]),
        )
    console.print(marked)
    console.print(table)
    console.print(f"outcome: {evaluation.outcome}")
    return 1
