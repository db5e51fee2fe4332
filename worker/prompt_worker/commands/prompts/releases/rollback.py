"""`prompt-worker prompts rollback`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor
from prompt_worker.commands.prompts.releases.waiting import add_waiting, wait_for


def add(commands: Commands) -> None:
    rollback = add_command(
        commands,
        "rollback",
        _rollback,
        "put the version back in production that was there before; again, the one before that",
        details="It needs no approval where it had it then.",
        extra=EXTRA,
    )
    rollback.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    rollback.add_argument(
        "--force", action="store_true", help="also if it cannot be compiled any more; needs --reason"
    )
    rollback.add_argument(
        "--break-glass", action="store_true", help="without the approvals that it needs; needs --reason"
    )
    rollback.add_argument("--json", action="store_true", help="print a JSON object")
    add_actor(rollback)
    add_waiting(rollback)


def _rollback(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.release import print_activated
    from prompt_worker.prompts.authoring.releases.rolling_back import roll_back, rollback_target

    session = open_session("prompts")
    target = rollback_target(session, options.name)
    actor = actor_of(options, break_glass=options.break_glass)
    activated = roll_back(session, actor, options.name, target, force=options.force)
    print_activated(activated, as_json=options.json)
    return wait_for(session, activated, options)
