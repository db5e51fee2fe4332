"""`prompt-worker partitions`."""

from __future__ import annotations

import argparse
import json
from datetime import date, datetime
from typing import TYPE_CHECKING

from prompt_worker.commands.command import Commands, add_command, count, open_console

if TYPE_CHECKING:
    from prompt_schema.partitions import Partition


def add(commands: Commands) -> None:
    partitions = add_command(
        commands,
        "partitions",
        _partitions,
        "make the months to come, and list all",
        details="Executions and evaluations are stored by the month in their ids. Run it each month as the owner of "
        "the tables; 'prompt-worker migrate' makes months too. It can be run at any time, beside workers.",
    )
    partitions.add_argument(
        "--ahead", type=count, default=None, metavar="N", help="months after this one (default: 24)"
    )
    partitions.add_argument(
        "--month",
        type=_month,
        action="append",
        default=[],
        metavar="YYYY-MM",
        help="make this month, though its rows have come already: they move into it, and workers try again meanwhile",
    )
    partitions.add_argument("--list", action="store_true", help="only list them")
    partitions.add_argument("--json", action="store_true", help="print one JSON object per line")


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: expected a month as YYYY-MM") from None


def _partitions(options: argparse.Namespace) -> int:
    from prompt_schema.partitions import AHEAD, make_month, make_partitions, partitions
    from prompt_worker.commands.database import open_engine

    engine = open_engine("partitions", statement_timeout_ms=0)
    messages = open_console(stderr=True)
    if not options.list:
        for month in options.month:
            make_month(engine, month, messages.print)
        make_partitions(engine, AHEAD if options.ahead is None else options.ahead, messages.print)
    found = partitions(engine)
    if options.json:
        for partition in found:
            print(json.dumps(_as_json(partition)))
    else:
        _print(found)
    return 0


def _as_json(partition: Partition) -> dict[str, object]:
    month = None if partition.month is None else f"{partition.month:%Y-%m}"
    return {
        "table": partition.table,
        "partition": partition.name,
        "month": month,
        "estimated_rows": partition.rows,
        "bytes": partition.size,
    }


def _print(found: list[Partition]) -> None:
    from rich.table import Table

    from prompt_schema.partitions import months_ahead

    table = Table("month", "partition", box=None, pad_edge=False)
    table.add_column("rows (estimate)", justify="right")
    table.add_column("MB", justify="right")
    for partition in found:
        month = "default" if partition.month is None else f"{partition.month:%Y-%m}"
        table.add_row(month, partition.name, f"{partition.rows:,}", f"{partition.size / 1e6:,.1f}")
    console = open_console(piped_width=100)
    console.print(table)
    console.print(f"{months_ahead(found)} months ahead")
