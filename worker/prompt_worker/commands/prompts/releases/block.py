"""`prompt-worker prompts block` and `unblock`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor


def add(commands: Commands) -> None:
    block = add_command(
        commands,
        "block",
        _block,
        "the kill switch: no service serves any version of a prompt, built-in ones included",
        extra=EXTRA,
    )
    unblock = add_command(commands, "unblock", _unblock, "end a block", extra=EXTRA)
    for command in (block, unblock):
        command.add_argument("name", metavar="NAME", help="the prompt's name, such as tutor/hints")
        add_actor(command, reason="why; needed to block, services show it")


def _block(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.releases.blocking import block

    found = block(open_session("prompts"), actor_of(options), options.name)
    was = "" if found.before is None else f" (was: {printable(found.before)})"
    open_console().print(f"{printable(found.name)} is blocked: {printable(found.now)}{was}", style="bold red")
    return 0


def _unblock(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.prompts.authoring.releases.blocking import unblock

    found = unblock(open_session("prompts"), actor_of(options), options.name)
    said = (
        "was not blocked"
        if found.before is None
        else f"is not blocked any more (was: {printable(found.before)})"
    )
    open_console().print(f"{printable(found.name)} {said}")
    return 0
