"""`prompt-worker prompts check`."""

from __future__ import annotations

import argparse
from pathlib import Path

from prompt_worker.commands.command import Commands, add_command
from prompt_worker.commands.terminal.printable import printable


def add(commands: Commands) -> None:
    check = add_command(
        commands,
        "check",
        _check,
        "compile every prompt of a folder and compare it with prompts.lock; exit code 1 when one has a fault",
        extra="prompts",
    )
    check.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of *.prompt files")
    check.add_argument(
        "--update",
        action="store_true",
        help="write prompts.lock: a prompt that is new or has changed gets the next version",
    )


def _check(options: argparse.Namespace) -> int:
    from prompt_worker.prompts.folder.checking import check

    checked = check(options.folder, update=options.update)
    for fault in checked.faults:
        print(printable(fault))
    if checked.faults:
        return 1
    lines = f", {checked.changed} lines of prompts.lock written" if options.update else ""
    print(f"{checked.prompts} prompts are valid{lines}")
    return 0
