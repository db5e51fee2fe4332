"""`prompt-worker dead-letters history`: who did what to which dead letters, and what came of it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor
from rich.console import Console
from rich.table import Table

from worker.deadletters.actions import Database
from worker.deadletters.tables import printable
from worker.sql import statement

_ALL = statement("dead_letter_history")
_ONE = statement("history_of_dead_letter")

_ALL_COLUMNS = ("id", "action", "by", "started_at", "ended_at", "filter", "details", "counts", "now")
_ONE_COLUMNS = ("at", "action", "by", "dead_letter", "outcome", "reason", "status", "times_seen")


def history(database: Database, id_: UUID | None, number: int, *, as_json: bool, console: Console) -> int:
    """Actions, or what was done to a dead letter or by an action. Raises `DeploymentError`."""
    query, columns = (_ALL, _ALL_COLUMNS) if id_ is None else (_ONE, _ONE_COLUMNS)

    def read(cursor: cursor) -> list[dict[str, Any]]:
        cursor.execute(query, {"id": id_, "number": number})
        return [dict(zip(columns, row, strict=True)) for row in cursor]

    entries = database.run(read)
    if as_json:
        for entry in entries:
            print(json.dumps(entry, default=str))
    elif not entries:
        console.print("nothing was done" + (f" to or by {id_}" if id_ else " to dead letters yet"))
    else:
        console.print(_actions(entries) if id_ is None else _outcomes(entries))
    return 0


def _actions(entries: list[dict[str, Any]]) -> Table:
    table = Table("when", "action", "by", "filter", "did", "now", "id", box=None, padding=(0, 2, 0, 0))
    table.columns[6].no_wrap = True
    for entry in entries:
        did = _counts(entry["counts"]) + ("" if entry["ended_at"] else " (under way, or broken off)")
        table.add_row(
            f"{entry['started_at']:%Y-%m-%d %H:%M:%S}",
            entry["action"],
            printable(entry["by"]),
            _named(entry["filter"] or entry["details"]),
            did,
            _counts(entry["now"] or {}),
            str(entry["id"]),
        )
    return table


def _outcomes(entries: list[dict[str, Any]]) -> Table:
    table = Table("when", "action", "by", "dead letter", "outcome", "now", box=None, padding=(0, 2, 0, 0))
    table.columns[3].no_wrap = True
    for entry in entries:
        status, seen = entry["status"], entry["times_seen"]
        table.add_row(
            f"{entry['at']:%Y-%m-%d %H:%M:%S}",
            entry["action"],
            printable(entry["by"]),
            str(entry["dead_letter"]),
            printable(": ".join(part for part in (entry["outcome"], entry["reason"]) if part)),
            "purged" if status is None else f"{status}, seen {seen} time{'s' * (seen > 1)}",
        )
    return table


def _named(values: dict[str, Any]) -> str:
    return printable(", ".join(f"{name} {_plain(value)}" for name, value in values.items()))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "nothing"


def _plain(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
