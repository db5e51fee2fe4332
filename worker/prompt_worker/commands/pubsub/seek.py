"""`prompt-worker seek`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command, add_confirmation, open_console, who
from prompt_worker.commands.pubsub.rewind import SUBSCRIPTION, open_rewind

if TYPE_CHECKING:
    from prompt_worker.deadletters.rewinding.seek import Preview


def add(commands: Commands) -> None:
    seek = add_command(
        commands,
        "seek",
        _seek,
        "have a subscription deliver again what was published since a time or a snapshot",
    )
    seek.add_argument("subscription", metavar="SUBSCRIPTION", help=SUBSCRIPTION)
    target = seek.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="TIME", help="a time with an offset, such as 2026-11-23T08:00:00Z")
    target.add_argument("--snapshot", metavar="NAME", help="rewind to this snapshot")
    add_confirmation(seek)


def _seek(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.rewinding.seek import preview, seek
    from prompt_worker.platform.pubsub.rewind import parse_time

    time = parse_time(options.to) if options.to else None
    console = open_console()
    with open_rewind() as (rewind, topology):
        target = time or rewind.snapshot(options.snapshot)
        session = open_session("seek")
        expected = preview(rewind, session, topology.names, options.subscription, target)
        for line in _lines(expected):
            console.print(line)
        if not options.yes:
            console.print("dry run: nothing done; pass --yes to seek")
            return 0
        before = seek(rewind, session, expected, by=who(options))
    console.print(f"done; undo it with: prompt-worker seek {options.subscription} --snapshot {before} --yes")
    return 0


def _lines(expected: Preview) -> Iterator[str]:
    yield f"{expected.subscription} to {expected.where}:"
    yield f"- {_delivered_again(expected)}"
    yield "- what is already stored is recognized as a duplicate: no row and no counter changes"
    if isinstance(expected.target, datetime):
        yield "- what was published before then and is still waiting is DROPPED from the subscription"
        if expected.target < expected.kept_since:
            yield (
                f"- Pub/Sub has kept what was published since {expected.kept_since:%Y-%m-%d %H:%M} UTC, nothing older"
            )


def _delivered_again(expected: Preview) -> str:
    from prompt_worker.deadletters.rewinding.seek import COUNTED

    if expected.messages is None:
        why = (
            f"it is a subscription of {expected.topic}"
            if expected.since
            else "another program made the snapshot"
        )
        return f"how many messages will be delivered again is unknown: {why}"
    number = expected.messages
    about = f"more than {COUNTED:,}" if number >= COUNTED else f"about {number:,}"
    stored = "rows and dead letters" if expected.counts_rows else "dead letters"
    return (
        f"{about} messages will be delivered again: the {stored} stored since then. Not counted: events published "
        "twice, events still waiting, and those whose id is not a UUID of version 7"
    )
