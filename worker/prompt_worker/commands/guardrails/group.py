"""The command line of `prompt-worker guardrails`; what the commands need is loaded when one runs."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from pathlib import Path

Command = Callable[[argparse.Namespace], int]
Commands = argparse._SubParsersAction  # argparse has no public name for it


def add_guardrails(parser: argparse.ArgumentParser) -> None:
    """Its sub-commands; each sets `command` to a function of its options."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add(commands, "list", _list, "what is active, and whether it can be used")

    marking = _add(commands, "false-positive", _false_positive, "mark a violation as false")
    marking.add_argument("violation", metavar="ID", help="of a row of guardrail_violations")
    marking.add_argument("--undo", action="store_true", help="it was none: take the mark back")
    marking.add_argument("--by", metavar="NAME", help="who says so (default: you)")

    test = _add(
        commands,
        "test",
        _test,
        "what a text triggers, its spans marked; exit code 1 when it triggers something",
    )
    test.add_argument("text", metavar="TEXT", help="a text, or - for standard input")
    test.add_argument(
        "--guardrails",
        type=Path,
        metavar="FILE",
        help='JSON: [{"name", "type", "config"}, …] (default: the guardrails of a new database)',
    )


def _add(
    commands: Commands[argparse.ArgumentParser], name: str, run: Command, about: str
) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=about, description=about)
    added.set_defaults(command=run, extra="guardrails")
    return added


def _list(_: argparse.Namespace) -> int:
    from prompt_worker.commands.engine import open_engine
    from prompt_worker.guardrails.recording.owners import list_guardrails

    return list_guardrails(open_engine("guardrails"))


def _false_positive(options: argparse.Namespace) -> int:
    from prompt_worker.commands.engine import open_engine
    from prompt_worker.guardrails.recording.owners import mark_false_positive

    by = options.by or getpass.getuser()
    print(mark_false_positive(open_engine("guardrails"), options.violation, by=by, undo=options.undo))
    return 0


def _test(options: argparse.Namespace) -> int:
    from prompt_worker.commands.guardrails import judging as commands

    return commands.test(options)
