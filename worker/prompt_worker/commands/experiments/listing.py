"""`prompt-worker experiments list`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    listing = add_command(commands, "list", _list, "all experiments with their verdicts, the newest first")
    listing.add_argument("--json", action="store_true", help="print one JSON object per line")


def _list(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_list
    from prompt_worker.experiments.listing import list_experiments

    print_list(list_experiments(open_session("experiments")), as_json=options.json)
    return 0
