"""Checks and differences for people: coloured on a terminal, plain when piped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rich.table import Table
from rich.text import Text

from prompt_schema.statistics import Difference
from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable


class Check(Protocol):
    """One thing that was checked; `hint` says what to do when it failed, or when it is a `warning`."""

    @property
    def name(self) -> str: ...
    @property
    def ok(self) -> bool: ...
    @property
    def hint(self) -> str: ...
    @property
    def warning(self) -> bool: ...


def print_checks(checks: Iterable[Check]) -> int:
    """Prints a line for each check as it comes; the exit code is 1 when any failed. Warnings are counted apart."""
    console = open_console()
    failed = passed = warnings = 0
    for check in checks:
        if not check.ok:
            failed += 1
            console.print(Text("FAILED", "bold red"), Text(f"{check.name}: {check.hint}"))
        elif check.warning:
            warnings += 1
            console.print(Text("warn  ", "yellow"), Text(f"{check.name}: {check.hint}"))
        else:
            passed += 1
            console.print(Text("ok    ", "green"), Text(check.name))
    end = f"{failed} of {failed + passed} checks failed" if failed else f"all {passed} checks passed"
    console.print(f"{end}, {warnings} warning{'s' * (warnings > 1)}" if warnings else end)
    return 1 if failed else 0


def print_differences(differences: Sequence[Difference]) -> int:
    """Prints the counters that differ from a recount of the rows; the exit code is 1 when there are any."""
    console = open_console(wrap=True)
    if not differences:
        console.print("every counter equals a recount of the rows")
        return 0
    table = Table("table", "of", "counter", "stored", "counted")
    for difference in differences:
        table.add_row(
            difference.table,
            printable(difference.key),
            difference.column,
            str(difference.stored),
            str(difference.counted),
        )
    console.print(table)
    misnamed = sum(difference.table == "prompt_executions" for difference in differences)
    if counters := len(differences) - misnamed:
        console.print(f"{counters} counters are wrong: run 'prompt-worker rebuild-statistics'")
    if misnamed:
        console.print(
            f"{misnamed} names in executions are none that their template ever had: correct the executions' "
            "template_id, or add the name to prompt_template_names"
        )
    return 1
