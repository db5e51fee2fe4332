"""`prompt-worker dead-letters purge`."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from datetime import timedelta

from prompt_worker.commands.command import Commands, add_command, add_confirmation, open_console, who
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of

_LONGEST = timedelta(days=36_525)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add(commands: Commands) -> None:
    purge = add_command(
        commands, "purge", _purge, "delete dead letters that were resolved or discarded some time ago"
    )
    purge.add_argument(
        "--older-than",
        type=_age,
        required=True,
        metavar="AGE",
        help="only those resolved or discarded for longer than AGE, such as 12h or 30d",
    )
    add_confirmation(purge)
    purge.add_argument("--json", action="store_true", help="print a JSON object")
    add_filters(purge, statuses="resolved and discarded")


def _purge(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.ending import end_and_print
    from prompt_worker.deadletters.ending import prepare_purge

    session, console = open_session("dead-letters"), open_console(stderr=options.json)
    ending = prepare_purge(session, filter_of(options), options.older_than)
    console.print(
        f"{ending.matching:,} resolved or discarded before {ending.before:%Y-%m-%d %H:%M} UTC: "
        f"{ending.filter.describe()}"
    )
    return end_and_print(session, ending, console, yes=options.yes, by=who(options), as_json=options.json)


def _age(text: str) -> timedelta:
    with suppress(OverflowError):
        if found := re.fullmatch(r"(\d{1,6})([mhdw])", text):
            age = timedelta(**{_UNITS[found[2]]: int(found[1])})
            if age <= _LONGEST:
                return age
    raise argparse.ArgumentTypeError(
        f"{text}: expected a number and a unit of m, h, d or w, such as 30d, of 100 years at most"
    )
