"""The command lines of `prompt-worker seek` and `prompt-worker snapshot`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prompt_worker.commands.operator import add_by, add_command, open_session, who

if TYPE_CHECKING:
    from prompt_worker.platform.pubsub.rewind import Retention
    from prompt_worker.platform.pubsub.topology import Topology

_SUBSCRIPTION = "its name, such as prompt-executions-writer"


def add_seek(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_seek, extra="worker")
    parser.add_argument("subscription", metavar="SUBSCRIPTION", help=_SUBSCRIPTION)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="TIME", help="with an offset, such as 2026-11-23T08:00:00Z")
    target.add_argument("--snapshot", metavar="NAME", help="what waited when it was made, and all since")
    parser.add_argument("--yes", action="store_true", help="do it; without it, only told")
    add_by(parser)


def add_snapshot(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    create = add_command(commands, "create", _create, "before a risky deployment: a place to seek back to")
    create.add_argument("subscription", metavar="SUBSCRIPTION", help=_SUBSCRIPTION)
    create.add_argument("--name", metavar="NAME", help="default: the subscription's with the time")
    add_command(commands, "list", _list, "the snapshots there are")
    delete = add_command(commands, "delete", _delete, "before it expires by itself")
    delete.add_argument("name", metavar="NAME")


@contextmanager
def _retention() -> Iterator[tuple[Retention, Topology]]:
    from google.cloud.pubsub_v1 import SubscriberClient

    from prompt_worker.platform.pubsub.rewind import Retention
    from prompt_worker.platform.pubsub.topology import read_topology
    from prompt_worker.platform.settings import Environment

    environment = Environment()
    topology = read_topology(environment)
    environment.check()
    with SubscriberClient() as subscriber:
        yield Retention(subscriber, topology), topology


def _seek(options: argparse.Namespace) -> int:
    from rich.console import Console

    from prompt_worker.deadletters.seek import seek
    from prompt_worker.platform.pubsub.rewind import parse_time

    time = parse_time(options.to) if options.to else None
    with _retention() as (retention, topology):
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


def _create(options: argparse.Namespace) -> int:
    name = options.name or f"{options.subscription.rpartition('/')[2]}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with _retention() as (retention, _):
        retention.create(options.subscription, name)
    print(f"{name} made; back to it: prompt-worker seek {options.subscription} --snapshot {name}")
    return 0


def _list(_options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table("snapshot", "topic", "made", "expires", box=None, padding=(0, 2, 0, 0))
    with _retention() as (retention, _):
        for one in retention.snapshots():
            made = f"{one.created:%Y-%m-%d %H:%M:%S}" if one.created else ""
            table.add_row(one.name, one.topic, made, f"{one.expires:%Y-%m-%d %H:%M:%S}")
    Console(highlight=False).print(table if table.row_count else "no snapshots")
    return 0


def _delete(options: argparse.Namespace) -> int:
    with _retention() as (retention, _):
        retention.delete(options.name)
    print(f"{options.name} deleted")
    return 0
