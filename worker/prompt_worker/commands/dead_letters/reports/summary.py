"""Summaries of dead letters: a group a cause on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console

from prompt_worker.commands.command import open_console
from prompt_worker.commands.dead_letters.reports.styles import STYLES
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.deadletters.summary import Group, Summary

_BLOCKS = "▁▂▃▄▅▆▇█"


def print_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(summary).decode())
        return
    console = open_console(piped_width=250)
    if not summary.groups:
        console.print("no matching dead letters")
        return
    if console.is_terminal:
        for group in summary.groups:
            _print_group(console, group)
    else:
        _print_lines(summary.groups)
    shown = len(summary.groups)
    more = f"; the {shown} largest are shown, --limit 0 shows all" if summary.causes > shown else ""
    causes = "one cause" if summary.causes == 1 else f"{summary.causes:,} causes"
    # They are about what was printed.
    sys.stdout.flush()
    notes = open_console(stderr=not console.is_terminal)
    notes.print(f"{summary.total:,} dead letters of {causes}{more}")


def sparkline(parts: Sequence[int]) -> str:
    """A block for each part, its height its share of the largest; a dot where there is none."""
    most = max(parts, default=0)
    return "".join(_BLOCKS[(number * 8 - 1) // most] if number else "·" for number in parts)


def _print_group(console: Console, group: Group) -> None:
    counts = ", ".join(f"{number:,} {name}" for name in STYLES if (number := getattr(group, name)))
    console.print(
        f"{group.number:>9,}  {printable(group.error_class)}: {printable(group.reason)}",
        style="bold",
    )
    console.print(
        f"           {sparkline(group.parts)}  "
        f"{printable_time(group.first_seen)} to {printable_time(group.last_seen)}",
    )
    console.print(
        f"           {counts}; {group.consumer}, from {group.source}; for example {group.example}\n",
    )


def _print_lines(groups: Sequence[Group]) -> None:
    columns = [name for name in Group.__struct_fields__ if name != "parts"]
    print("\t".join([*columns, "over_time"]))
    for group in groups:
        print("\t".join([*(printable(getattr(group, name)) for name in columns), sparkline(group.parts)]))
