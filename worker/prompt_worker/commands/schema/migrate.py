"""`prompt-worker migrate`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command

if TYPE_CHECKING:
    from sqlalchemy import Engine


def add(commands: Commands) -> None:
    migrate = add_command(
        commands,
        "migrate",
        _migrate,
        "apply the schema to an empty or an already live database",
        details="A live database is taken over without losing a row, and writers go on meanwhile. Each migration is "
        "applied once; after an interruption run it again, and it goes on.",
    )
    migrate.add_argument(
        "--plan",
        action="store_true",
        help="only print what would be done; exit code 1 when something stops it",
    )


def _migrate(options: argparse.Namespace) -> int:
    from prompt_schema.migrate import migrate
    from prompt_worker.commands.database import open_engine

    engine = open_engine("migrate", statement_timeout_ms=0, lock_timeout_ms=30_000, any_encoding=True)
    if options.plan:
        return _print_plan(engine)
    applied = migrate(engine, print)
    print(f"{len(applied)} migrations applied" if applied else "nothing to do: the database is up to date")
    return 0


def _print_plan(engine: Engine) -> int:
    from prompt_schema.migrate import plan

    planned = plan(engine)
    for line in planned.lines():
        print(line)
    if planned.takeover and planned.takeover.refusals:
        print("nothing would be changed: do what is said above, and plan again")
        return 1
    if planned.obstacles:
        print("it would stop there: do what is said above, and plan again")
        return 1
    if planned.files or not planned.recounts:
        print(f"{len(planned.files)} migrations would be applied" if planned.files else "nothing to do")
    return 0
