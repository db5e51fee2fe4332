"""`prompt-worker prompts pull`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA


def add(commands: Commands) -> None:
    pull = add_command(
        commands,
        "pull",
        _pull,
        "write what is in production to a folder of *.prompt files, with prompts.lock",
        details="A file that was changed since the lock was written is kept, and nothing is written then.",
        extra=EXTRA,
    )
    pull.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the folder; it is made where it is not there"
    )
    pull.add_argument("name", metavar="NAME", nargs="*", help="only these prompts")
    pull.add_argument("--force", action="store_true", help="overwrite files that were changed here")


def _pull(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.prompts.reports.folder import print_pulled
    from prompt_worker.prompts.authoring.versions.committing import pull

    return print_pulled(pull(open_session("prompts"), options.folder, options.name, force=options.force))
