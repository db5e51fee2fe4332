"""The command line of `prompt-worker dead-letters`; what the commands need is loaded when one runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from uuid import UUID

from prompt_worker.commands.dead_letters.edit import add_edit
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of
from prompt_worker.commands.dead_letters.replay import add_replay
from prompt_worker.commands.operator import add_command, open_session

Command = Callable[[argparse.Namespace], int]
Commands = argparse._SubParsersAction  # argparse has no public name for it


def add_dead_letters(parser: argparse.ArgumentParser) -> None:
    """Its sub-commands; each sets `command` to a function of its options."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    listing = add_command(commands, "list", _list, "one line each, the newest first")
    listing.add_argument("--limit", type=_count, default=50, metavar="N", help="default: 50; 0: all of them")
    listing.add_argument("--after", type=UUID, metavar="ID", help="go on after this one, the last of a page")
    summary = add_command(commands, "summary", _summary, "what failed and why: by cause, most of all first")
    summary.add_argument("--limit", type=_count, default=30, metavar="N", help="causes; default: 30")
    for filtered in (listing, summary):
        add_filters(filtered)
        filtered.add_argument("--json", action="store_true", help="print JSON")

    show = add_command(commands, "show", _show, "everything about one, prompt texts hidden")
    show.add_argument("id", type=UUID, metavar="ID", help="of a dead letter, or of its event")
    show.add_argument("--reveal", action="store_true", help="prompt texts too")
    show.add_argument("--json", action="store_true", help="print JSON")

    add_replay(commands)
    add_edit(commands)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("give a number, 0 or more")
    return int(text)


def _list(options: argparse.Namespace) -> int:
    from prompt_worker.commands.dead_letters.tables import print_list
    from prompt_worker.deadletters.listing import listed

    session = open_session()
    with listed(session, filter_of(options), limit=options.limit, after=options.after) as rows:
        return print_list(rows, limit=options.limit, as_json=options.json)


def _summary(options: argparse.Namespace) -> int:
    from prompt_worker.commands.dead_letters.tables import print_summary
    from prompt_worker.deadletters.summary import summarize

    summary = summarize(open_session(), filter_of(options), limit=options.limit)
    return print_summary(summary, as_json=options.json)


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.deadletters.letter import find, print_letter

    print_letter(find(open_session(), options.id), reveal=options.reveal, as_json=options.json)
    return 0
