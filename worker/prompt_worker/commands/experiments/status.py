"""`prompt-worker experiments start`, `pause`, `resume` and `stop`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Command, Commands, add_by, add_command, who

if TYPE_CHECKING:
    from prompt_worker.experiments.stored import Experiment


def add(commands: Commands) -> None:
    _add(
        commands, "start", _start, "begin a planned experiment: units are assigned from now on", reason=False
    )
    _add(commands, "pause", _pause, "assign nobody for a while; what was served goes on counting")
    _add(commands, "resume", _resume, "assign again, each unit to the arm that it had")
    stop = _add(commands, "stop", _stop, "end an experiment; what was served until now counts")
    stop.add_argument("--cancel", action="store_true", help="as one that never counts")


def _add(
    commands: Commands, name: str, run: Command, about: str, *, reason: bool = True
) -> argparse.ArgumentParser:
    added = add_command(commands, name, run, about)
    added.add_argument("name", metavar="NAME", help="of the experiment")
    if reason:
        added.add_argument("--reason", required=True, metavar="TEXT", help="why, for the history")
    added.add_argument("--json", action="store_true", help="print a JSON object")
    add_by(added)
    return added


def _start(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.experiments.changing import start

    return _print(start(open_session("experiments"), options.name, by=who(options)), options)


def _pause(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.experiments.changing import pause

    return _print(pause(open_session("experiments"), options.name, why=options.reason), options)


def _resume(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.experiments.changing import resume

    return _print(resume(open_session("experiments"), options.name, why=options.reason), options)


def _stop(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.experiments.changing import stop

    session = open_session("experiments")
    return _print(stop(session, options.name, why=options.reason, cancel=options.cancel), options)


def _print(experiment: Experiment, options: argparse.Namespace) -> int:
    from prompt_worker.commands.experiments.tables import print_status

    print_status(experiment, as_json=options.json)
    return 0
