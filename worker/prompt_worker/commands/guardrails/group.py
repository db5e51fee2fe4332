"""The command line of `prompt-worker guardrails`; what the commands need is loaded when one runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from prompt_worker.commands.operator import add_by, add_command, open_session, who

Command = Callable[[argparse.Namespace], int]
Commands = argparse._SubParsersAction  # argparse has no public name for it


def add_guardrails(parser: argparse.ArgumentParser) -> None:
    """Its sub-commands; each sets `command` to a function of its options."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_command(commands, "list", _list, "what is active, and whether it can be used", extra="guardrails")

    marking = add_command(
        commands, "false-positive", _false_positive, "mark a violation as false", extra="guardrails"
    )
    marking.add_argument("violation", metavar="ID", help="of a row of guardrail_violations")
    marking.add_argument("--undo", action="store_true", help="it was none: take the mark back")
    add_by(marking)

    test = add_command(
        commands,
        "test",
        _test,
        "what a text triggers, its spans marked; exit code 1 when it triggers something",
        extra="guardrails",
    )
    test.add_argument("text", metavar="TEXT", help="a text, or - for standard input")
    test.add_argument(
        "--guardrails",
        type=Path,
        metavar="FILE",
        help='JSON: [{"name", "type", "config"}, …] (default: the guardrails of a new database)',
    )


def _list(_: argparse.Namespace) -> int:
    from prompt_worker.commands.guardrails.tables import print_guardrails
    from prompt_worker.guardrails.recording.owners import list_guardrails

    return print_guardrails(list_guardrails(open_session("guardrails")))


def _false_positive(options: argparse.Namespace) -> int:
    from prompt_worker.guardrails.recording.owners import mark_false_positive

    print(
        mark_false_positive(open_session("guardrails"), options.violation, by=who(options), undo=options.undo)
    )
    return 0


def _test(options: argparse.Namespace) -> int:
    from prompt_worker.commands.guardrails import judging as commands

    return commands.test(options)
