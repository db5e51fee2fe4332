"""`prompt-worker dead-letters history`: who did what to which dead letters, and what came of it."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor
from rich.console import Console

from prompt_worker.commands.dead_letters.tables import printable
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_ALL = statement(__name__, "dead_letter_history")
_ONE = statement(__name__, "history_of_dead_letter")

_NAMES = {"statuses": "status", "error_class": "error class", "event_id": "event"}
_ALL_COLUMNS = ("id", "action", "by", "started_at", "ended_at", "filter", "details", "counts", "now")
_ONE_COLUMNS = ("at", "action", "by", "dead_letter", "outcome", "reason", "status", "times_seen")


def history(session: Session, id_: UUID | None, number: int, *, as_json: bool, console: Console) -> int:
    """Actions, or what was done to a dead letter or by an action. Raises `DeploymentError`."""
    query, columns = (_ALL, _ALL_COLUMNS) if id_ is None else (_ONE, _ONE_COLUMNS)

    def read(cursor: cursor) -> list[dict[str, Any]]:
        cursor.execute(query, {"id": id_, "number": number})
        return [dict(zip(columns, row, strict=True)) for row in cursor]

    entries = session.run(read)
    if as_json:
        for entry in entries:
            print(json.dumps(entry, default=str))
    elif not entries:
        console.print("nothing was done" + (f" to or by {id_}" if id_ else " to dead letters yet"))
    for entry in () if as_json else entries:
        console.print((_action if id_ is None else _outcome)(entry))
    return 0


def _action(entry: dict[str, Any]) -> str:
    done = _counts(entry["counts"]) + ("" if entry["ended_at"] else " (under way, or broken off)")
    now = f", now {_counts(entry['now'])}" if entry["now"] else ""
    told = ", ".join(
        f"{_NAMES.get(name, name)} {_plain(value)}"
        for name, value in (entry["filter"] | entry["details"]).items()
    )
    return (
        f"{entry['started_at']:%Y-%m-%d %H:%M:%S}  {entry['action']} by {printable(entry['by'])}: {done}{now}\n"
        f"                     {printable(told) or 'all'}; {entry['id']}"
    )


def _outcome(entry: dict[str, Any]) -> str:
    status, seen = entry["status"], entry["times_seen"]
    outcome = ": ".join(part for part in (entry["outcome"], entry["reason"]) if part)
    now = "purged since" if status is None else f"now {status}, seen {seen} time{'s' * (seen > 1)}"
    return (
        f"{entry['at']:%Y-%m-%d %H:%M:%S}  {entry['action']} by {printable(entry['by'])}: {printable(outcome)}\n"
        f"                     {now}; {entry['dead_letter']}"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "nothing"


def _plain(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
