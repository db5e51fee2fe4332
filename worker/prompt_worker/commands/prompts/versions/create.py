"""`prompt-worker prompts create`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor


def add(commands: Commands) -> None:
    create = add_command(
        commands,
        "create",
        _create,
        "save a version of a prompt, checked and not active",
        details="The first one of a new name, else the next one. What is saved already is not saved again.",
        extra=EXTRA,
    )
    create.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    create.add_argument(
        "file", metavar="FILE", type=Path, help="a *.prompt file, or - to read standard input"
    )
    create.add_argument("--json", action="store_true", help="print a JSON object")
    add_actor(create)


def _create(options: argparse.Namespace) -> int:
    from prompt_worker.commands.prompts.versions.saving import read_candidate, save_and_print

    candidate, file = read_candidate(options.name, options.file)
    return save_and_print(candidate, file, actor_of(options), as_json=options.json)
