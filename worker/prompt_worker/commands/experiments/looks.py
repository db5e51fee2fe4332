"""`prompt-worker experiments looks`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    looks = add_command(
        commands,
        "looks",
        _looks,
        "the history of an experiment's looks, with its interval over time",
        details="A plot on a terminal, tab-separated lines when piped.",
    )
    looks.add_argument("name", metavar="NAME", help="of the experiment")
    looks.add_argument("--json", action="store_true", help="print one JSON object per line")


def _looks(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_looks
    from prompt_worker.experiments.listing import list_looks

    print_looks(*list_looks(open_session("experiments"), options.name), as_json=options.json)
    return 0
