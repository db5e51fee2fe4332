"""`prompt-worker dead-letters show`."""

from __future__ import annotations

import argparse
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    show = add_command(commands, "show", _show, "show everything about one dead letter, prompt texts hidden")
    show.add_argument("id", type=UUID, metavar="ID", help="the dead letter's id, or its event's")
    show.add_argument("--reveal", action="store_true", help="show prompt texts too")
    show.add_argument("--json", action="store_true", help="print a JSON object")


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.letter import print_letter
    from prompt_worker.deadletters.letter import find

    letter = find(open_session("dead-letters"), options.id)
    print_letter(letter, reveal=options.reveal, as_json=options.json)
    return 0
