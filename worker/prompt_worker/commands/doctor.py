"""`prompt-worker doctor`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    add_command(
        commands,
        "doctor",
        _doctor,
        "check settings, database, topics and permissions of a deployment",
        details="One line for each check, with what to do where one fails; it changes nothing. "
        "Exit code 1 when a check failed.",
    )


def _doctor(_: argparse.Namespace) -> int:
    from prompt_worker.commands.report import print_checks
    from prompt_worker.doctor import examine

    return print_checks(examine())
