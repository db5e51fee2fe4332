"""`prompt-worker guardrails false-positive`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_by, add_command, who

if TYPE_CHECKING:
    from prompt_worker.guardrails.recording.owners import Mark


def add(commands: Commands) -> None:
    marking = add_command(
        commands, "false-positive", _false_positive, "mark a violation as false", extra="worker,guardrails"
    )
    marking.add_argument("violation", metavar="ID", help="the id of a row of guardrail_violations")
    marking.add_argument("--undo", action="store_true", help="undo: the violation was real")
    add_by(marking)


def _false_positive(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.guardrails.recording.owners import mark_false_positive

    session = open_session("guardrails")
    mark = mark_false_positive(session, options.violation, by=who(options), undo=options.undo)
    print(f"{mark.violation_id} {_sentence(mark)}")
    return 0


def _sentence(mark: Mark) -> str:
    if mark.marked_by is None:
        return "is no longer marked as false" if mark.changed else "was not marked as false"
    return "is marked as false" if mark.changed else f"was already marked as false by {mark.marked_by}"
