"""Lists and summaries as they are printed: tables on a terminal, tab-separated lines when piped, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Table

from prompt_worker.deadletters.listing import COLUMNS, Listed
from prompt_worker.deadletters.summary import Group, Summary

PAGE = 500  # rows of a table; a longer list is several
_BLOCKS = "▁▂▃▄▅▆▇█"
_STYLES = {"pending": "yellow", "replayed": "cyan", "resolved": "green", "discarded": "dim"}
_CONTROL = dict.fromkeys([*range(32), 127, *range(128, 160)], " ")
_CONTROL_IN_LINES = {code: " " for code in _CONTROL if chr(code) not in "\n\t"}
_encode = msgspec.json.Encoder().encode


def print_list(rows: Iterator[Listed], *, limit: int, as_json: bool) -> int:
    """Row by row or page by page, so that a million need no memory; the exit code."""
    console = Console(highlight=False)
    if as_json:
        last = _print_lines(rows, lambda row: _encode(row).decode())
    elif console.is_terminal:
        last = _print_pages(console, rows)
    else:
        print("\t".join(COLUMNS))
        last = _print_lines(rows, lambda row: "\t".join(printable(getattr(row, name)) for name in COLUMNS))
    told = Console(stderr=True, highlight=False, soft_wrap=True)
    if last.number == 0:
        told.print("no dead letter is so")
    elif last.number == limit:
        told.print(f"there may be more: --after {last.id}")
    return 0


def print_summary(summary: Summary, *, as_json: bool) -> int:
    """The exit code."""
    if as_json:
        print(_encode(summary).decode())
        return 0
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 250)
    if not summary.groups:
        console.print("no dead letter is so")
        return 0
    for group in summary.groups if console.is_terminal else ():
        _print_group(console, group)
    if not console.is_terminal:
        _print_group_lines(summary.groups)
    shown = len(summary.groups)
    more = f"; the {shown} largest are shown, --limit 0 shows all" if summary.causes > shown else ""
    causes = "one cause" if summary.causes == 1 else f"{summary.causes:,} causes"
    Console(stderr=not console.is_terminal, highlight=False, soft_wrap=True).print(
        f"{summary.total:,} dead letters of {causes}{more}"
    )
    return 0


def sparkline(parts: Sequence[int]) -> str:
    """A block a part, its height its share of the largest; a dot where there is none."""
    most = max(parts, default=0)
    return "".join(_BLOCKS[(number * 8 - 1) // most] if number else "·" for number in parts)


class _Last(msgspec.Struct):
    number: int = 0
    id: UUID | None = None


def _print_lines(rows: Iterator[Listed], line_of: Callable[[Listed], str]) -> _Last:
    last = _Last()
    for row in rows:
        print(line_of(row))
        last.number += 1
        last.id = row.id
    return last


def _print_pages(console: Console, rows: Iterator[Listed]) -> _Last:
    last = _Last()
    while first := next(rows, None):
        table = Table("id", "status", "last seen", "times", "error class", "template", "reason", box=None)
        for column in table.columns[:5]:
            column.no_wrap = True
        for row in chain([first], islice(rows, PAGE - 1)):
            last.number += 1
            last.id = row.id
            table.add_row(
                str(row.id),
                row.status,
                _time(row.last_seen),
                f"{row.times_seen:,}",
                printable(row.error_class),
                printable(row.template_name),
                printable(row.reason),
                style=_STYLES[row.status],
            )
        console.print(table, markup=False)
    return last


def _print_group(console: Console, group: Group) -> None:
    counts = ", ".join(f"{number:,} {name}" for name in _STYLES if (number := getattr(group, name)))
    console.print(
        f"{group.number:>9,}  {printable(group.error_class)}: {printable(group.reason)}",
        style="bold",
        markup=False,
    )
    console.print(
        f"           {sparkline(group.parts)}  {_time(group.first_seen)} to {_time(group.last_seen)}",
        markup=False,
    )
    console.print(
        f"           {counts}; {group.consumer}, from {group.source}; for example {group.example}\n",
        markup=False,
    )


def _print_group_lines(groups: Sequence[Group]) -> None:
    columns = [name for name in Group.__struct_fields__ if name != "parts"]
    print("\t".join([*columns, "over_time"]))
    for group in groups:
        print("\t".join([*(printable(getattr(group, name)) for name in columns), sparkline(group.parts)]))


def _time(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def printable_lines(text: str) -> str:
    """Its lines as they are; no other control character, and no lone surrogate."""
    return text.translate(_CONTROL_IN_LINES).encode(errors="replace").decode()


def printable(value: object) -> str:
    """On one line, and nothing that a terminal would obey."""
    if value is None:
        return ""
    return (
        value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value).translate(_CONTROL)
    )
