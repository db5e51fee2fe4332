"""`prompt-worker experiments show`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    show = add_command(
        commands,
        "show",
        _show,
        "the last look at an experiment: every arm by every metric, what does not count, and the audit",
    )
    show.add_argument("name", metavar="NAME", help="of the experiment")
    show.add_argument("--json", action="store_true", help="print a JSON object")


def _show(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_shown
    from prompt_worker.experiments.listing import show_experiment

    print_shown(show_experiment(open_session("experiments"), options.name), as_json=options.json)
    return 0
