"""`prompt-worker dead-letters show`."""

from __future__ import annotations

import argparse
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    show = add_command(commands, "show", _show, "everything about one, prompt texts hidden")
    show.add_argument("id", type=UUID, metavar="ID", help="of a dead letter, or of its event")
    show.add_argument("--reveal", action="store_true", help="prompt texts too")
    show.add_argument("--json", action="store_true", help="print JSON")


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.letter import find, print_letter

    print_letter(find(open_session("dead-letters"), options.id), reveal=options.reveal, as_json=options.json)
    return 0
