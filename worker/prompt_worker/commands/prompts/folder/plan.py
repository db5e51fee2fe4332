"""`prompt-worker prompts plan`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA


def add(commands: Commands) -> None:
    plan = add_command(
        commands,
        "plan",
        _plan,
        "what 'push' would save of a folder, and what differs; exit code 1 when it could not",
        extra=EXTRA,
    )
    plan.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of *.prompt files")
    plan.add_argument("--diff", action="store_true", help="show what differs from the version before")
    plan.add_argument("--json", action="store_true", help="print one JSON object per file")


def _plan(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.folder import print_differences, print_proposal
    from prompt_worker.prompts.authoring.versions.committing import propose_folder

    session = open_session("prompts")
    proposed = propose_folder(session, options.folder)
    code = print_proposal(proposed, as_json=options.json)
    if options.diff and not options.json:
        print_differences(session, proposed.proposal.planned)
    return code
