"""`prompt-worker verify`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    verify = add_command(
        commands,
        "verify",
        _verify,
        "check tables, views and triggers by using them",
        details="What it writes is rolled back. Exit code 1 when a check failed.",
    )
    verify.add_argument(
        "--statistics",
        action="store_true",
        help="compare every counter with a recount of the rows instead",
    )


def _verify(options: argparse.Namespace) -> int:
    from prompt_schema.statistics import recount
    from prompt_schema.verify import verify
    from prompt_worker.commands.database import open_engine
    from prompt_worker.commands.report import print_checks, print_differences

    engine = open_engine("verify", statement_timeout_ms=0)
    if options.statistics:
        return print_differences(recount(engine))
    return print_checks(verify(engine))
