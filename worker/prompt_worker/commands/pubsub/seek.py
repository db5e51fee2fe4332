"""`prompt-worker seek`."""

from __future__ import annotations

import argparse

from prompt_worker.commands.command import Commands, add_by, add_command, who
from prompt_worker.commands.pubsub.rewind import SUBSCRIPTION, open_retention


def add(commands: Commands) -> None:
    about = "have a subscription deliver again what was published since a time or a snapshot"
    seek = add_command(commands, "seek", _seek, about)
    seek.add_argument("subscription", metavar="SUBSCRIPTION", help=SUBSCRIPTION)
    target = seek.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="TIME", help="with an offset, such as 2026-11-23T08:00:00Z")
    target.add_argument("--snapshot", metavar="NAME", help="rewind to this snapshot")
    seek.add_argument("--yes", action="store_true", help="actually do it (default: dry run)")
    add_by(seek)


def _seek(options: argparse.Namespace) -> int:
    from rich.console import Console

    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.seek import seek
    from prompt_worker.platform.pubsub.rewind import parse_time

    time = parse_time(options.to) if options.to else None
    with open_retention() as (retention, topology):
        target = time or retention.snapshot(options.snapshot)
        console = Console(highlight=False, soft_wrap=True)
        session = open_session("seek")
        seek(
            retention,
            session,
            topology.names,
            options.subscription,
            target,
            yes=options.yes,
            by=who(options),
            console=console,
        )
    return 0
