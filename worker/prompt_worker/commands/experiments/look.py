"""`prompt-worker experiments look`."""

from __future__ import annotations

import argparse
import sys

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    look = add_command(
        commands,
        "look",
        _look,
        "look at running experiments once, for a job; 'run experiments' looks each minute",
        details="Exit code 1 when one is harmful, invalid, or its arms do not have the units that they should.",
    )
    look.add_argument("name", nargs="*", metavar="NAME", help="of an experiment (default: all that run)")
    look.add_argument("--json", action="store_true", help="print one JSON object per line")


def _look(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.tables import print_looked
    from prompt_worker.commands.terminal.printable import printable
    from prompt_worker.experiments.errors import ExperimentError
    from prompt_worker.experiments.looking import running_experiments
    from prompt_worker.experiments.rollouts.guarding import look_and_guard

    session = open_session("experiments")
    names = options.name or running_experiments(session)
    if not names and not options.json:
        print("no experiment is running")
    codes = [0]
    # All are looked at, also after a bad one, and after one that cannot be looked at.
    for name in names:
        try:
            codes.append(print_looked(*look_and_guard(session, name), as_json=options.json))
        except ExperimentError as error:
            if len(names) == 1:
                raise
            print(f"{printable(name)}: {error}", file=sys.stderr)
            codes.append(error.exit_code)
    return max(codes)
