"""Rows of one kind: a table on a terminal, tab-separated lines when piped, one JSON object a line for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.terminal.printable import printable, printable_time

Row = TypeVar("Row", bound=msgspec.Struct)


def print_rows(
    rows: Sequence[Row],
    *,
    columns: Sequence[str],
    as_json: bool,
    nothing: str,
    style: Callable[[Row], str] = lambda _: "",
) -> None:
    """`columns` are fields of the rows. Without any row says `nothing` on standard error."""
    if as_json:
        for row in rows:
            print(msgspec.json.encode(row).decode())
        return
    console = open_console(wrap=True)
    if not rows:
        open_console(stderr=True).print(nothing)
    elif console.is_terminal:
        table = Table(*(name.replace("_", " ") for name in columns), box=None)
        for row in rows:
            table.add_row(*(Text(cell(getattr(row, name), short=True)) for name in columns), style=style(row))
        console.print(table)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join(cell(getattr(row, name)) for name in columns))


def cell(value: Any, *, short: bool = False) -> str:
    """One value on one line; `short` for a person: times to the second."""
    if isinstance(value, datetime) and short:
        return printable_time(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(name)} {printable(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(printable, value))
    if isinstance(value, bool):
        return "yes" if value else ""
    return printable(value)
