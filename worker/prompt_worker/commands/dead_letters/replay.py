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
    who,
)
from prompt_worker.commands.dead_letters.filters import add_filters, filter_of


def add(commands: Commands) -> None:
    replaying = add_command(
        commands, "replay", _replay, "what would happen if they were sent again now; --yes sends them"
    )
    add_filters(replaying)
    add_confirmation(replaying, "send them")
    add = replaying.add_argument
    add("--limit", type=positive(int), metavar="N", help="at most so many")
    add(
        "--rate",
        type=positive(float),
        metavar="N",
        help="at most so many a second (default: as fast as it goes)",
    )
    add("--canary", type=positive(int), metavar="N", help="send N, and the rest only if all N were written")
    add(
        "--oldest",
        type=positive(float),
        default=30.0,
        metavar="SECONDS",
        help="slow down while the oldest event sent has not been settled for so long (default: 30)",
    )
    add(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for events to be settled while none is (default: 60)",
    )
    add("--force", action="store_true", help="also those replayed PROMPT_WORKER_MAX_REPLAYS times already")

    add("--json", action="store_true", help="print JSON, a group a line")


def _replay(options: argparse.Namespace) -> int:
    from google.cloud.pubsub_v1 import PublisherClient

    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.replay.replaying import Options, dry_run, send
    from prompt_worker.platform.pubsub.topic import Topic
    from prompt_worker.platform.pubsub.topology import read_topology
    from prompt_worker.platform.settings import Environment, ReplaySettings

    filter_ = filter_of(options)
    if not filter_.statuses:
        filter_ = replace(filter_, statuses=("pending",))
    environment = Environment()
    settings = environment.read(ReplaySettings)
    topology = read_topology(environment) if options.yes else None
    environment.check()
    how = Options(
        options.limit,
        None if options.force else settings.max_replays,
        options.rate,
        options.oldest,
        options.canary or 0,
        options.wait,
        options.json,
    )
    session, console = open_session("dead-letters"), open_console(stderr=options.json)
    if topology is None:
        return dry_run(session, filter_, how, console)
    with PublisherClient() as publisher:
        topic = Topic(publisher, topology.topic_path(topology.names.topic))
        return send(session, topic, filter_, how, by=who(options), console=console)
