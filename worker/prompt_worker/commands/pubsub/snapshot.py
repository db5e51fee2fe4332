"""`prompt-worker snapshot`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from prompt_worker.commands.command import Commands, add_by, add_command, add_group, open_console, who
from prompt_worker.commands.pubsub.rewind import SUBSCRIPTION, open_rewind


def add(commands: Commands) -> None:
    group = add_group(
        commands, "snapshot", "make, list and delete snapshots of subscriptions, to seek back to"
    )
    create = add_command(
        group, "create", _create, "make a snapshot to seek back to, for example before a risky deployment"
    )
    create.add_argument("subscription", metavar="SUBSCRIPTION", help=SUBSCRIPTION)
    add_by(create)
    create.add_argument(
        "--name", metavar="NAME", help="the snapshot's name (default: the subscription's and the time)"
    )
    add_command(group, "list", _list, "list the snapshots of the project")
    delete = add_command(group, "delete", _delete, "delete a snapshot before it expires")
    add_by(delete)
    delete.add_argument("name", metavar="NAME", help="the snapshot's name")


def _create(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.rewinding.snapshot import create_snapshot

    name = options.name or f"{options.subscription.rpartition('/')[2]}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with open_rewind() as (rewind, _):
        create_snapshot(rewind, open_session("snapshot"), options.subscription, name, by=who(options))
    print(f"{name} created; rewind to it with: prompt-worker seek {options.subscription} --snapshot {name}")
    return 0


def _list(_options: argparse.Namespace) -> int:
    from rich.table import Table

    table = Table("snapshot", "topic", "created", "expires", box=None, padding=(0, 2, 0, 0))
    with open_rewind() as (rewind, _):
        for one in rewind.snapshots():
            created = f"{one.created:%Y-%m-%d %H:%M:%S}" if one.created else ""
            table.add_row(one.name, one.topic, created, f"{one.expires:%Y-%m-%d %H:%M:%S}")
    open_console(wrap=True).print(table if table.row_count else "no snapshots")
    return 0


def _delete(options: argparse.Namespace) -> int:
    from prompt_worker.commands.database import open_session
    from prompt_worker.deadletters.rewinding.snapshot import delete_snapshot

    with open_rewind() as (rewind, _):
        delete_snapshot(rewind, open_session("snapshot"), options.name, by=who(options))
    print(f"{options.name} deleted")
    return 0
