"""`prompt-worker dead-letters purge`."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from prompt_worker.commands.command import Commands, add_command, add_confirmation, open_console, who
from prompt_worker.commands.dead_letters.ended import report
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add(commands: Commands) -> None:
    purge = add_command(commands, "purge", _purge, "delete what was resolved or discarded long ago")
    add_filters(purge)
    purge.add_argument("--older-than", type=_age, required=True, metavar="AGE", help="such as 30d, 12h")
    add_confirmation(purge, "delete them")
    purge.add_argument("--json", action="store_true", help="print a JSON object")


def _purge(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.ending import purge

    ended = purge(
        open_session("dead-letters"),
        filter_of(options),
        options.older_than,
        yes=options.yes,
        by=who(options),
        console=open_console(stderr=options.json),
    )
    return report(ended, as_json=options.json)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: a number and m, h, d or w are wanted, such as 30d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
