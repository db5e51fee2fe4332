"""`prompt-worker prompts push`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor


def add(commands: Commands) -> None:
    push = add_command(
        commands,
        "push",
        _push,
        "save what is new in a folder as versions that are not active, and write their numbers to prompts.lock",
        details="All of it or, where one has a fault, nothing. Run again it saves nothing.",
        extra=EXTRA,
    )
    push.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of *.prompt files")
    push.add_argument("--json", action="store_true", help="print one JSON object per file")
    add_actor(push)


def _push(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.folder import print_proposal
    from prompt_worker.commands.prompts.reports.saving import print_planned
    from prompt_worker.prompts.authoring.versions.committing import propose_folder, push

    session = open_session("prompts")
    proposed = propose_folder(session, options.folder)
    if not proposed.can_be_saved:
        return print_proposal(proposed, as_json=options.json)
    saved = push(session, actor_of(options), options.folder, proposed)
    print_planned(saved, as_json=options.json, done=True)
    return 0
