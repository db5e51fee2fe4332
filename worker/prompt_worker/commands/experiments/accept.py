"""`prompt-worker experiments accept`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who


def add(commands: Commands) -> None:
    accept = add_command(
        commands,
        "accept",
        _accept,
        "declare the winner and end the experiment; activating its version is a step of its own",
    )
    accept.add_argument("name", metavar="NAME", help="of the experiment")
    accept.add_argument("--arm", help="another one than the proposed (default: the winner)")
    accept.add_argument("--reason", required=True, metavar="TEXT", help="why, for the history")
    accept.add_argument("--json", action="store_true", help="print a JSON object")
    add_by(accept)


def _accept(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_status
    from prompt_worker.experiments.changing import accept

    session = open_session("experiments")
    accepted = accept(session, options.name, arm=options.arm, by=who(options), why=options.reason)
    print_status(accepted, as_json=options.json)
    return 0
