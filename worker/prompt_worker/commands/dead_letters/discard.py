"""`prompt-worker dead-letters discard`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, add_confirmation, open_console, who
from prompt_worker.commands.dead_letters.ended import report
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    discard = add_command(commands, "discard", _discard, "give dead letters up")
    add_filters(discard)
    discard.add_argument("--because", required=True, metavar="TEXT", help="why; kept with each of them")
    add_confirmation(discard, "discard them")
    discard.add_argument("--json", action="store_true", help="print a JSON object")


def _discard(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.ending import discard

    ended = discard(
        open_session("dead-letters"),
        filter_of(options),
        options.because,
        yes=options.yes,
        by=who(options),
        console=open_console(stderr=options.json),
    )
    return report(ended, as_json=options.json)
