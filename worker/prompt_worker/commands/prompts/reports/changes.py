"""What differs, as coloured lines of a diff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from prompt_worker.commands.terminal.printable import printable_lines
from prompt_worker.prompts.authoring.releases.gate.difference import Change

_STYLES = {"+": "green", "-": "red", "@": "cyan", "\\": "dim"}


def print_changes(console: Console, changes: Sequence[Change]) -> None:
    for change in changes:
        console.print(change.part, style="bold")
        print_lines(console, change.lines)


def print_lines(console: Console, lines: Iterable[str], *, indent: str = "  ") -> None:
    for line in lines:
        console.print(Text(f"{indent}{printable_lines(line)}", _STYLES.get(line[:1], "")))
