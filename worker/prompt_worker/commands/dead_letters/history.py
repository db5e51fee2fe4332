"""`prompt-worker dead-letters history`."""

from __future__ import annotations

import argparse
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command, open_console, positive


def add(commands: Commands) -> None:
    history = add_command(commands, "history", _history, "who did what, and what came of it")
    history.add_argument(
        "id", metavar="ID", type=UUID, nargs="?", help="of a dead letter, its event, or an action"
    )
    history.add_argument("--limit", type=positive(int), default=50, metavar="N", help="at most so many (50)")
    history.add_argument("--json", action="store_true", help="print a JSON object a line")


def _history(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.history import history

    return history(
        open_session("dead-letters"), options.id, options.limit, as_json=options.json, console=open_console()
    )
