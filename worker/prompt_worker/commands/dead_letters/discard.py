"""`prompt-worker dead-letters discard`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, add_confirmation, open_console, who
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    discard = add_command(
        commands,
        "discard",
        _discard,
        "give up pending and replayed dead letters: they are not replayed any more",
    )
    discard.add_argument(
        "--because", required=True, metavar="TEXT", help="the reason, stored with each of them"
    )
    add_confirmation(discard)
    discard.add_argument("--json", action="store_true", help="print a JSON object")
    add_filters(discard, statuses="pending and replayed")


def _discard(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.ending import end_and_print
    from prompt_worker.deadletters.ending import prepare_discard

    session, console = open_session("dead-letters"), open_console(stderr=options.json)
    ending = prepare_discard(session, filter_of(options), options.because)
    console.print(f"{ending.matching:,} pending or replayed: {ending.filter.describe()}")
    return end_and_print(session, ending, console, yes=options.yes, by=who(options), as_json=options.json)
