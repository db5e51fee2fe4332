"""`prompt-worker rebuild-statistics`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    add_command(
        commands,
        "rebuild-statistics",
        _rebuild,
        "correct every counter from the rows",
        details="'prompt-worker verify --statistics' shows which counters are wrong.",
    )


def _rebuild(_: argparse.Namespace) -> int:
    from prompt_schema.statistics import rebuild
    from prompt_worker.commands.database import open_engine

    print(f"{rebuild(open_engine('rebuild-statistics', statement_timeout_ms=0))} rows corrected")
    return 0
