"""`prompt-worker guardrails false-positive`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who


def add(commands: Commands) -> None:
    marking = add_command(
        commands, "false-positive", _false_positive, "mark a violation as false", extra="worker,guardrails"
    )
    marking.add_argument("violation", metavar="ID", help="of a row of guardrail_violations")
    marking.add_argument("--undo", action="store_true", help="it was none: take the mark back")
    add_by(marking)


def _false_positive(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.guardrails.recording.owners import mark_false_positive

    print(
        mark_false_positive(open_session("guardrails"), options.violation, by=who(options), undo=options.undo)
    )
    return 0
