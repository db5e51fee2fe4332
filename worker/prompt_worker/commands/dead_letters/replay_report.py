"""What a dry run found and what became of a replay, for people."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from uuid import UUID

from rich.console import Console

from prompt_worker.commands.dead_letters.tables import printable
from prompt_worker.deadletters.replay.rehearsal import Fate
from prompt_worker.deadletters.replay.settling import Settled

SHOWN = 20  # groups; the rest is counted
REASONS = 5


def print_fates(groups: Counter[Fate], examples: dict[Fate, UUID], console: Console) -> None:
    """A group as a summary shows it: how many, why they failed, and what would happen now."""
    for fate, number in groups.most_common(SHOWN):
        console.print(f"{number:>9,}  {printable(fate.cause)}")
        console.print(f"           {printable(fate.now)}; for example {examples[fate]}\n")
    if len(groups) > SHOWN:
        console.print(f"and {len(groups) - SHOWN:,} groups more: narrow the filter to see them")


def print_fates_as_json(groups: Counter[Fate], examples: dict[Fate, UUID]) -> None:
    """All groups, an object a line: `cause`, `end`, `now`, `events`, `example`."""
    for fate, number in groups.most_common():
        print(json.dumps(asdict(fate) | {"events": number, "example": str(examples[fate])}))


def print_settled_as_json(replay: UUID, sent: int, found: Settled) -> None:
    print(json.dumps({"replay": str(replay), "sent": sent} | asdict(found)))


def print_settled(what: str, found: Settled, console: Console, *, waited: bool = True) -> None:
    parts = [f"{found.resolved:,} resolved"] * bool(found.resolved)
    parts += [f"{found.failed:,} failed again"] * bool(found.failed)
    parts += [f"{found.waiting:,} not settled yet"] * bool(found.waiting)
    console.print(f"{what}: {', '.join(parts) or 'nothing'}")
    for reason, number in found.reasons[:REASONS]:
        console.print(f"  {number:,} times {printable(reason)}")
    if found.waiting and waited:
        console.print(
            "  are the workers running? 'prompt-worker dead-letters list --status replayed' shows those"
        )
