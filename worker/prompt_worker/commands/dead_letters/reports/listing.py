"""Lists of dead letters: tables on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain, islice
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Table

from prompt_worker.commands.command import open_console
from prompt_worker.commands.dead_letters.reports.styles import STYLES
from prompt_worker.commands.terminal.printable import printable, printable_time
from prompt_worker.deadletters.listing import COLUMNS, Listed

PAGE = 500  # rows of a table; a longer list is several tables
_encode = msgspec.json.Encoder().encode


class _Printed(msgspec.Struct):
    """How many rows were printed, and the id of the last one."""

    number: int = 0
    last: UUID | None = None

    def add(self, row: Listed) -> None:
        self.number += 1
        self.last = row.id


def print_list(rows: Iterator[Listed], *, limit: int, as_json: bool) -> None:
    """Prints row by row or page by page, so that a million need no memory."""
    console = open_console(wrap=True)
    if as_json:
        printed = _print_lines(rows, lambda row: _encode(row).decode())
    elif console.is_terminal:
        printed = _print_pages(console, rows)
    else:
        print("\t".join(COLUMNS))
        printed = _print_lines(rows, lambda row: "\t".join(printable(getattr(row, name)) for name in COLUMNS))
    # They are about what was printed.
    sys.stdout.flush()
    notes = open_console(stderr=True)
    if printed.number == 0:
        notes.print("no matching dead letters")
    elif printed.number == limit:
        notes.print(f"there may be more: --after {printed.last}")


def _print_lines(rows: Iterator[Listed], line_of: Callable[[Listed], str]) -> _Printed:
    printed = _Printed()
    for row in rows:
        print(line_of(row))
        printed.add(row)
    return printed


def _print_pages(console: Console, rows: Iterator[Listed]) -> _Printed:
    printed = _Printed()
    while first := next(rows, None):
        table = Table("id", "status", "last seen", "times", "error class", "template", "reason", box=None)
        for column in table.columns[:5]:
            column.no_wrap = True
        for row in chain([first], islice(rows, PAGE - 1)):
            printed.add(row)
            table.add_row(
                str(row.id),
                row.status,
                printable_time(row.last_seen),
                f"{row.times_seen:,}",
                printable(row.error_class),
                printable(row.template_name),
                printable(row.reason),
                style=STYLES[row.status],
            )
        console.print(table)
    return printed
