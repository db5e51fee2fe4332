"""`prompt-worker prompts new-epoch`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.commands.prompts.acting import EXTRA, actor_of, add_actor


def add(commands: Commands) -> None:
    epoch = add_command(
        commands,
        "new-epoch",
        _new_epoch,
        "after a backup was restored: services follow this registry again, though its revision went back",
        extra=EXTRA,
    )
    epoch.add_argument("--yes", action="store_true", help="actually do it (default: dry run)")
    add_actor(epoch)


def _new_epoch(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.prompts.authoring.releases.epoch import new_epoch, position

    session, console = open_session("prompts"), open_console()
    if not options.yes:
        now = position(session)
        console.print(
            f"epoch {now.epoch}, revision {now.revision}; dry run: pass --yes to begin epoch {now.epoch + 1}"
        )
        return 0
    console.print(f"epoch {new_epoch(session, actor_of(options))} begins")
    return 0
