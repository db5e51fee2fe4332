"""`prompt-worker dead-letters summary`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command, count
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    summary = add_command(
        commands, "summary", _summary, "count dead letters by cause, the most frequent first"
    )
    summary.add_argument(
        "--limit", type=count, default=30, metavar="N", help="print at most N causes (default: 30; 0: all)"
    )
    summary.add_argument("--json", action="store_true", help="print a JSON object")
    add_filters(summary)


def _summary(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.summary import print_summary
    from prompt_worker.deadletters.summary import summarize

    summary = summarize(open_session("dead-letters"), filter_of(options), limit=options.limit)
    print_summary(summary, as_json=options.json)
    return 0
