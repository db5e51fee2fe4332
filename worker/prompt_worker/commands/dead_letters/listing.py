"""`prompt-worker dead-letters list`."""

from __future__ import annotations

import argparse
from uuid import UUID

from prompt_worker.commands.command import Commands, add_command, count
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    listing = add_command(commands, "list", _list, "list dead letters, the newest first")
    listing.add_argument(
        "--limit", type=count, default=50, metavar="N", help="print at most N (default: 50; 0: all)"
    )
    listing.add_argument(
        "--after", type=UUID, metavar="ID", help="continue after this id, the last of the page before"
    )
    listing.add_argument("--json", action="store_true", help="print a JSON object on each line")
    add_filters(listing)


def _list(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.listing import print_list
    from prompt_worker.deadletters.listing import listed

    session = open_session("dead-letters")
    with listed(session, filter_of(options), limit=options.limit, after=options.after) as rows:
        print_list(rows, limit=options.limit, as_json=options.json)
    return 0
