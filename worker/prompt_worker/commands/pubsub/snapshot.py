"""`prompt-worker snapshot`: places to seek back to."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from prompt_worker.commands.command import Commands, add_command, add_group
from prompt_worker.commands.pubsub.rewind import SUBSCRIPTION, open_retention


def add(commands: Commands) -> None:
    group = add_group(commands, "snapshot", "places to seek back to")
    create = add_command(group, "create", _create, "before a risky deployment: a place to seek back to")
    create.add_argument("subscription", metavar="SUBSCRIPTION", help=SUBSCRIPTION)
    create.add_argument("--name", metavar="NAME", help="default: the subscription's with the time")
    add_command(group, "list", _list, "the snapshots there are")
    delete = add_command(group, "delete", _delete, "delete one before it expires")
    delete.add_argument("name", metavar="NAME")


def _create(options: argparse.Namespace) -> int:
    name = options.name or f"{options.subscription.rpartition('/')[2]}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with open_retention() as (retention, _):
        retention.create(options.subscription, name)
    print(f"{name} made; back to it: prompt-worker seek {options.subscription} --snapshot {name}")
    return 0


def _list(_options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table("snapshot", "topic", "made", "expires", box=None, padding=(0, 2, 0, 0))
    with open_retention() as (retention, _):
        for one in retention.snapshots():
            made = f"{one.created:%Y-%m-%d %H:%M:%S}" if one.created else ""
            table.add_row(one.name, one.topic, made, f"{one.expires:%Y-%m-%d %H:%M:%S}")
    Console(highlight=False).print(table if table.row_count else "no snapshots")
    return 0


def _delete(options: argparse.Namespace) -> int:
    with open_retention() as (retention, _):
        retention.delete(options.name)
    print(f"{options.name} deleted")
    return 0
