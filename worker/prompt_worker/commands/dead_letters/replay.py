"""`prompt-worker dead-letters replay`."""

from __future__ import annotations

import argparse
from dataclasses import replace

from prompt_worker.commands.command import (
    Commands,
    add_command,
    add_confirmation,
    open_console,
    positive,
    seconds,
    who,
)
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    replaying = add_command(
        commands,
        "replay",
        _replay,
        "report what would happen if dead letters were sent again; with --yes, send them",
    )
    add_confirmation(replaying)
    add = replaying.add_argument
    add("--limit", type=positive(int), metavar="N", help="send at most N")
    add(
        "--canary",
        type=positive(int),
        metavar="N",
        help="send N first, and the rest only if all N become rows",
    )
    add(
        "--rate",
        type=positive(float),
        metavar="N",
        help="send at most N a second (default: as fast as possible)",
    )
    add(
        "--oldest",
        type=positive(float),
        default=30.0,
        metavar="SECONDS",
        help="slow down while the oldest event sent has been unsettled for longer (default: 30)",
    )
    add(
        "--wait",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="give up waiting when no event is settled for this long (default: 60; 0: do not wait)",
    )
    add("--force", action="store_true", help="also those already replayed PROMPT_WORKER_MAX_REPLAYS times")
    add(
        "--json",
        action="store_true",
        help="print JSON: an object for each group of a dry run, or one for a replay",
    )
    add_filters(replaying, statuses="pending")


def _replay(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.commands.dead_letters.reports.replay import (
        print_selection,
        rehearse_and_print,
        send_and_print,
    )
    from prompt_worker.deadletters.replay.replaying import Options
    from prompt_worker.deadletters.replay.selection import select
    from prompt_worker.platform.pubsub.topology import read_topology
    from prompt_worker.platform.settings import Environment, ReplaySettings

    filter_ = filter_of(options)
    if not filter_.statuses:
        filter_ = replace(filter_, statuses=("pending",))
    environment = Environment()
    settings = environment.read(ReplaySettings)
    topology = read_topology(environment) if options.yes else None
    environment.check()
    session, console = open_session("dead-letters"), open_console(stderr=options.json)
    most_replays = None if options.force else settings.max_replays
    selection = select(session, filter_, limit=options.limit, most_replays=most_replays)
    print_selection(selection, console)
    if not selection.matching:
        return 0
    if topology is None:
        rehearse_and_print(session, selection, console, as_json=options.json)
        return 0
    how = Options(options.rate, options.oldest, options.canary or 0, options.wait)
    return send_and_print(session, topology, selection, how, console, by=who(options), as_json=options.json)
