"""`prompt-worker prompts activate`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, count
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number
from prompt_worker.commands.prompts.releases.waiting import add_waiting, wait_for


def add(commands: Commands) -> None:
    activate = add_command(
        commands,
        "activate",
        _activate,
        "try a version on what its prompt was really given, and put it in production if nothing fails",
        extra=EXTRA,
    )
    add = activate.add_argument
    add("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    add("version", metavar="VERSION", type=version_number, help="the number of the version")
    add("--dry-run", action="store_true", help="only try it: exit code 1 when something fails")
    add(
        "--inputs",
        type=count,
        default=50,
        metavar="N",
        help="try it on the last N executions (default: 50; 0: only compile it)",
    )
    add("--force", action="store_true", help="also if something fails; needs --reason")
    add("--break-glass", action="store_true", help="without the approvals that it needs; needs --reason")
    add(
        "--json",
        action="store_true",
        help="print JSON: an object for each prompt that was tried, and one at the end",
    )
    add_actor(activate)
    add_waiting(activate)


def _activate(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.gate import print_examined
    from prompt_worker.commands.prompts.reports.release import print_activated
    from prompt_worker.prompts.authoring.releases.activating import activate
    from prompt_worker.prompts.authoring.releases.gate.examining import examine

    session = open_session("prompts")
    examined = examine(session, options.name, options.version, inputs=min(options.inputs, 1000))
    print_examined(examined, as_json=options.json)
    if options.dry_run:
        return 0 if examined.passed else 1
    actor = actor_of(options, break_glass=options.break_glass)
    activated = activate(session, actor, examined, force=options.force)
    print_activated(activated, as_json=options.json)
    return wait_for(session, activated, options)
