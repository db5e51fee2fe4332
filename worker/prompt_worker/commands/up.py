"""`prompt-worker up`."""

from __future__ import annotations

import argparse
import sys

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    up = add_command(
        commands, "up", _up, "the whole system on this machine, with nothing configured", extra="local"
    )
    up.add_argument(
        "--demo", type=int, default=0, metavar="N", help="publish N realistic events and account for each"
    )
    up.add_argument("--once", action="store_true", help="stop when every demo event is accounted for")
    up.add_argument("--data", metavar="DIR", help="keep the database in DIR")


def _up(options: argparse.Namespace) -> int:
    from prompt_worker.commands.terminal.plain_console import PlainConsole
    from prompt_worker.local.up import up

    console = PlainConsole(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 100)
    return up(console, demo=options.demo, once=options.once, data_dir=options.data)
