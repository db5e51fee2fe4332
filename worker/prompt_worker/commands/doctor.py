"""`prompt-worker doctor`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.workers.consumers import CONSUMERS


def add(commands: Commands) -> None:
    doctor = add_command(
        commands,
        "doctor",
        _doctor,
        "check settings, database, topics and permissions of a deployment",
        details="One line for each check, with what to do where one fails; it changes nothing. "
        "Exit code 1 when a check failed.",
    )
    doctor.add_argument(
        "worker",
        nargs="?",
        choices=list(CONSUMERS),
        help="check instead what this worker needs, of the account and the login that the command runs as: "
        "run it as the worker's, since Pub/Sub answers for the caller alone",
    )


def _doctor(options: argparse.Namespace) -> int:
    from prompt_worker.commands.report import print_checks
    from prompt_worker.doctor import examine

    return print_checks(examine(options.worker))
