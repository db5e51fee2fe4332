"""What a dry run found and what became of a replay, for people."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from rich.console import Console
from rich.table import Table

from worker.deadletters.rehearsal import Fate
from worker.deadletters.settling import Settled
from worker.deadletters.tables import printable

SHOWN = 20  # groups; the rest is counted
REASONS = 5


def print_fates(groups: Counter[Fate], examples: dict[Fate, UUID], console: Console) -> None:
    table = Table(
        "why it failed", "what would happen now", "events", "example", box=None, padding=(0, 2, 0, 0)
    )
    table.columns[2].justify = "right"
    table.columns[3].no_wrap = True
    for fate, number in groups.most_common(SHOWN):
        table.add_row(printable(fate.cause), printable(fate.now), f"{number:,}", str(examples[fate]))
    console.print(table)
    if len(groups) > SHOWN:
        console.print(f"and {len(groups) - SHOWN:,} groups more: narrow the filter to see them")


def print_settled(what: str, found: Settled, console: Console) -> None:
    parts = [f"{found.resolved:,} resolved"] * bool(found.resolved)
    parts += [f"{found.failed:,} failed again"] * bool(found.failed)
    parts += [f"{found.waiting:,} not settled yet"] * bool(found.waiting)
    console.print(f"{what}: {', '.join(parts) or 'nothing'}")
    for reason, number in found.reasons[:REASONS]:
        console.print(f"  {number:,} times {printable(reason)}")
    if found.waiting:
        console.print(
            "  are the workers running? 'prompt-worker dead-letters list --status replayed' shows those"
        )
