"""`prompt-worker experiments suggest`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_command


def add(commands: Commands) -> None:
    suggest = add_command(
        commands,
        "suggest",
        _suggest,
        "where to look next: which prompts fail, are slow or dear, and how long a test of each would take",
        details="Over users or sessions, with intervals of 95 %; at most the newest 200,000 executions are read. The "
        "units are those of a test of two arms that finds the change with a probability of 80 %.",
    )
    add = suggest.add_argument
    add(
        "--by",
        choices=("failures", "p95", "cost"),
        default="failures",
        help="what to rank by (default: failures)",
    )
    add("--days", type=float, default=14.0, metavar="N", help="how far back to look (default: 14)")
    add(
        "--target",
        type=float,
        default=10.0,
        metavar="PERCENT",
        help="the relative change to find (default: 10)",
    )
    add("--environment", metavar="NAME", help="the only one that counts (default: all)")
    add("--top", type=int, default=20, metavar="N", help="how many prompts (default: 20)")
    add("--json", action="store_true", help="print a JSON object")


def _suggest(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.experiments.suggestions import print_suggestions
    from prompt_worker.experiments.suggesting import suggest

    found = suggest(
        open_session("experiments"),
        by=options.by,
        days=options.days,
        target=options.target / 100,
        environment=options.environment,
    )
    print_suggestions(found, by=options.by, top=options.top, as_json=options.json)
    return 0
