"""The table: what was measured against what is to be reached; for a terminal, or as Markdown to be pasted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One line. `reached` is None where there is no goal; `figures` holds the numbers behind it, for --json."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "no", None: ""}[self.reached]


def times(ratio: float, places: int = 1) -> str:
    return f"{ratio:.{places}f}\N{MULTIPLICATION SIGN}"


HEADINGS = ("what", "measured", "goal", "reached")


def show(rows: Iterable[Row], console: Console) -> None:
    if not console.is_terminal:
        lines = [HEADINGS, ("---",) * 4, *((row.what, row.measured, row.goal, row.verdict) for row in rows)]
        for line in lines:
            print("|", " | ".join(line), "|")
        return
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    colours = {True: "green", False: "bold red", None: ""}
    for row in rows:
        table.add_row(row.what, row.measured, row.goal, row.verdict, style=colours[row.reached])
    console.print(table)
