"""`prompt-worker prompts label`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor, version_number


def add(commands: Commands) -> None:
    label = add_command(
        commands,
        "label",
        _label,
        "move a label to a version, for services that ask for it by name",
        extra=EXTRA,
    )
    label.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
    label.add_argument("label", metavar="LABEL", help="such as beta; numbers, latest and production are none")
    to = label.add_mutually_exclusive_group(required=True)
    to.add_argument("version", metavar="VERSION", type=version_number, nargs="?", help="where it goes")
    to.add_argument("--remove", action="store_true", help="remove it: who asks for it gets an error")
    add_actor(label)


def _label(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.releases.labelling import move_label

    moved = move_label(
        open_session("prompts"), actor_of(options), options.name, options.label, options.version
    )
    now = "removed" if moved.now is None else f"now version {moved.now}"
    was = "" if moved.before is None else f", was version {moved.before}"
    open_console().print(f"{printable(moved.name)}, label {moved.label}: {now}{was}")
    return 0
