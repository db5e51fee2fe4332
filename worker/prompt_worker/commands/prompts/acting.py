"""Options of the commands that change prompts: who acts, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import who

if TYPE_CHECKING:
    from prompt_worker.prompts.authoring.acting import Actor

# Of both: the database's driver and the template engine.
EXTRA = "worker,prompts"


def add_actor(parser: argparse.ArgumentParser, *, reason: str = "why, for the history") -> None:
    """`--reason` and `--for`, as `actor_of` reads them."""
    parser.add_argument("--reason", metavar="TEXT", help=reason)
    parser.add_argument(
        "--for",
        dest="person",
        metavar="PERSON",
        help="the person you act for: only a login in prompt_identity_provider may (default: the database's login)",
    )


def actor_of(options: argparse.Namespace, *, break_glass: bool = False) -> Actor:
    from prompt_worker.prompts.authoring.acting import Actor

    name = options.person or who(argparse.Namespace(by=None))
    return Actor(str(name)[:255], options.person, options.reason, break_glass)


def version_number(text: str) -> int:
    """As argparse reads one: a whole number from 1."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 20 and int(text)):
        raise argparse.ArgumentTypeError(f"{text}: expected the number of a version, such as 3")
    return int(text)
