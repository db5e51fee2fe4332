"""`prompt-worker migrate`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    add_command(
        commands,
        "migrate",
        _migrate,
        "apply the schema to an empty or an already live database",
        details="A live database is taken over without losing a row. Each migration is one transaction, applied once; "
        "run it again at any time.",
    )


def _migrate(_: argparse.Namespace) -> int:
    from prompt_schema.migrate import migrate
    from prompt_worker.commands.database import open_engine

    applied = migrate(open_engine("migrate", statement_timeout_ms=0, lock_timeout_ms=30_000), print)
    print(f"{len(applied)} migrations applied" if applied else "nothing to do: the database is up to date")
    return 0
