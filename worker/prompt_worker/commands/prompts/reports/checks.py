"""What the check of versions found: a line for each version that has a fault, or is affected."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from prompt_worker.commands.terminal.printable import printable
from prompt_worker.prompts.authoring.checks.checking import Checked


def print_checked(console: Console, checked: Sequence[Checked]) -> None:
    """Those with a fault, and those that include what changes."""
    for each in checked:
        name = f"{printable(each.name)}@{each.version}"
        includes = "" if each.because is None else f", which includes {printable(each.because)}"
        if each.error is not None:
            console.print(Text.assemble(("FAULT ", "bold red"), f"{name}{includes}: {printable(each.error)}"))
        elif includes:
            console.print(Text.assemble(("ok    ", "green"), f"{name}{includes}"))
