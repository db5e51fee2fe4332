"""The table: what was measured against what is to be reached; on a terminal, as Markdown, and in the README here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

README = Path(__file__).with_name("README.md")
START, END = "<!-- written by make bench -->", "<!-- end -->"
HEADINGS = ("what", "measured", "goal", "reached")


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


def show(rows: Sequence[Row], console: Console) -> None:
    if not console.is_terminal:
        print(as_markdown(rows))
        return
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    colours = {True: "green", False: "bold red", None: ""}
    for row in rows:
        table.add_row(row.what, row.measured, row.goal, row.verdict, style=colours[row.reached])
    console.print(table)


def as_markdown(rows: Iterable[Row]) -> str:
    lines = [HEADINGS, ("---",) * 4, *((row.what, row.measured, row.goal, row.verdict) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(rows: Iterable[Row], about: str, readme: Path = README) -> None:
    """Between the two markers, instead of the last run's; raises ValueError where one is missing."""
    before, _, rest = (text := readme.read_text()).partition(START)
    _, _, after = rest.partition(END)
    if START not in text or END not in rest:
        raise ValueError(f"{readme} has no place for the table: {START} and {END}")
    readme.write_text(f"{before}{START}\n{about}\n\n{as_markdown(rows)}\n{END}{after}")
