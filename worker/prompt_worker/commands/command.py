"""What commands share: how one is added, who runs it, its console, and arguments that are checked."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

# A hundred years: more than any wait, and less than what a clock or a timer refuses.
_MOST_SECONDS = 100 * 365 * 86_400.0

Command = Callable[[argparse.Namespace], int]
# argparse has no public name for it.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands, name: str, run: Command, about: str, *, details: str = "", extra: str = "worker"
) -> argparse.ArgumentParser:
    """A command that sets `command` to a function of its options, and `extra` to what it needs installed.

    `about` is its line in the list of commands; `details` follow in its own help.
    """
    added = commands.add_parser(name, help=about, description=f"{_sentence(about)} {details}")
    added.set_defaults(command=run, extra=extra)
    return added


def add_group(commands: Commands, name: str, about: str) -> Commands:
    """A command that only holds other commands."""
    group = commands.add_parser(name, help=about, description=_sentence(about))
    return group.add_subparsers(title="commands", required=True, metavar="COMMAND")


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """`--yes`, and `--by` as it is read back by `who`."""
    parser.add_argument("--yes", action="store_true", help="actually do it (default: dry run)")
    add_by(parser)


def add_by(parser: argparse.ArgumentParser) -> None:
    """`--by`, which `who` reads."""
    parser.add_argument("--by", metavar="NAME", help="who does it (default: you)")


def who(options: argparse.Namespace) -> str:
    """The name for the audit: of `--by`, else of the user, at most 255 characters."""
    if options.by:
        return str(options.by)[:255]
    # A user id may have no name.
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return "unknown"


def open_console(*, stderr: bool = False, wrap: bool = False, piped_width: int | None = None) -> Console:
    """A console that prints text as it is: brackets and colons in names are no markup.

    Without `wrap` lines are as long as they are; where it is no terminal it has `piped_width` columns.
    """
    from prompt_worker.commands.terminal.plain_console import PlainConsole

    console = PlainConsole(highlight=False, markup=False, emoji=False, soft_wrap=not wrap, stderr=stderr)
    if piped_width and not console.is_terminal:
        console.width = piped_width
    return console


def count(text: str) -> int:
    """A number from 0, as argparse reads one."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: expected a number, 0 or more")
    return int(text)


def seconds(text: str) -> float:
    """A time in seconds from 0, as argparse reads one."""
    value = float(text)
    if not 0 <= value <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds, 0 or more")
    return value


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """A number above 0, as argparse reads one."""

    def number(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
        return value

    return number
