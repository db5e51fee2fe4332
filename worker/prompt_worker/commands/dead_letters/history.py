"""`prompt-worker dead-letters history`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command, open_console, positive
from prompt_worker.commands.terminal.printable import printable

if TYPE_CHECKING:
    from prompt_worker.deadletters.history import PastAction, PastEffect

_FILTER_NAMES = {
    "reason": "reason with",
    "statuses": "status",
    "error_class": "error class",
    "event_id": "event",
}
_DETAIL_NAMES = {"reason": "because"}


def add(commands: Commands) -> None:
    history = add_command(
        commands,
        "history",
        _history,
        "show who replayed, edited, discarded or purged what, and what became of it",
    )
    history.add_argument(
        "id",
        metavar="ID",
        type=UUID,
        nargs="?",
        help="only this dead letter, event or action (default: all actions, the newest first)",
    )
    history.add_argument(
        "--limit", type=positive(int), default=50, metavar="N", help="print at most N (default: 50)"
    )
    history.add_argument("--json", action="store_true", help="print a JSON object on each line")


def _history(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.history import past_actions, past_effects

    session, console = open_session("dead-letters"), open_console()
    entries: Sequence[PastAction | PastEffect]
    if options.id is None:
        entries = actions = past_actions(session, options.limit)
        lines = map(_action, actions)
    else:
        entries = effects = past_effects(session, options.id, options.limit)
        lines = map(_effect, effects)
    if options.json:
        for entry in entries:
            print(json.dumps(asdict(entry), default=str))
        return 0
    if not entries:
        console.print(
            "nothing was done" + (f" to or by {options.id}" if options.id else " to dead letters yet")
        )
    for line in lines:
        console.print(line)
    return 0


def _action(entry: PastAction) -> str:
    done = _counts(entry.counts) + ("" if entry.ended_at else " (still running, or killed)")
    now = f", now {_counts(entry.now)}" if entry.now else ""
    # Side by side: both may have a reason.
    given = ", ".join(
        f"{names.get(name, name)} {_plain(value)}"
        for names, values in ((_FILTER_NAMES, entry.filter), (_DETAIL_NAMES, entry.details))
        for name, value in values.items()
    )
    return (
        f"{entry.started_at:%Y-%m-%d %H:%M:%S}  {entry.action} by {printable(entry.by)}: {done}{now}\n"
        f"                     {printable(given) or 'all'}; {entry.id}"
    )


def _effect(entry: PastEffect) -> str:
    outcome = ": ".join(part for part in (entry.outcome, entry.reason) if part)
    now = "purged since"
    if entry.times_seen is not None:
        now = f"now {entry.status}, seen {entry.times_seen} time{'s' * (entry.times_seen > 1)}"
    return (
        f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.action} by {printable(entry.by)}: {printable(outcome)}\n"
        f"                     {now}; {entry.dead_letter}"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "nothing"


def _plain(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
