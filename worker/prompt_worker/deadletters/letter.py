"""`dead-letters show`: everything about one, its payload to be read, prompt texts hidden unless they are asked for."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor
from rich.console import Console
from rich.table import Table

from prompt_worker.commands.dead_letters.tables import printable, printable_lines
from prompt_worker.deadletters.sweep import sweep
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.session import Session

# Of an event, what is never a text that somebody wrote to a model, or a model wrote; anything else is hidden.
SHOWN = {
    "event_id", "template_id", "template_name", "template_version", "ab_test_group", "user_id", "session_id",
    "request_id", "model", "provider", "input_tokens", "output_tokens", "token_count", "cost_usd",
    "execution_time_ms", "status", "error_type", "guardrail_action", "executed_at", "environment",
}  # fmt: skip
LONGEST = 255  # characters of a value that is shown

_FIND = """
SELECT d.* FROM dead_letter_events d
WHERE d.id = %(id)s OR d.event_id = %(id)s
ORDER BY (d.id = %(id)s) DESC, d.superseded_by IS NULL DESC, d.id DESC LIMIT 1
"""
_ACTIONS = """
SELECT a.id AS action_id, a.action, a.by, o.happened_at, o.outcome, o.reason
FROM dead_letter_outcomes o JOIN dead_letter_actions a ON a.id = o.action_id
WHERE o.dead_letter_id = %(id)s ORDER BY o.happened_at
"""

Letter = dict[str, Any]


class NoSuchDeadLetterError(Failure):
    """Says where ids are found."""

    exit_code = 66


def find(session: Session, wanted: UUID) -> Letter:
    """By its id or its event's: each column by name, and `actions`, what operators did to it.

    Raises `NoSuchDeadLetterError`, `DeploymentError`.
    """
    session.run(sweep)
    return session.run(partial(_read, wanted))


def _read(wanted: UUID, cursor: cursor) -> Letter:
    cursor.execute(_FIND, {"id": str(wanted)})
    row = cursor.fetchone()
    if row is None:
        raise NoSuchDeadLetterError(
            f"no dead letter has the id {wanted}, and none is of such an event: 'prompt-worker dead-letters list'"
        )
    letter = {column.name: value for column, value in zip(cursor.description or (), row, strict=True)}
    letter["payload"] = bytes(letter["payload"])
    cursor.execute(_ACTIONS, {"id": str(letter["id"])})
    names = [column.name for column in cursor.description or ()]
    letter["actions"] = [dict(zip(names, action, strict=True)) for action in cursor]
    return letter


def print_letter(letter: Letter, *, reveal: bool, as_json: bool) -> None:
    payload = letter["payload"]
    event = shown(payload, reveal=reveal)
    if as_json:
        document = letter | {"payload": event, "payload_bytes": len(payload)}
        print(json.dumps(document, default=str))
        return
    wide = None if sys.stdout.isatty() else 250
    console = Console(highlight=False, soft_wrap=True, markup=False, width=wide)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in letter.items():
        if name not in ("payload", "attributes", "actions", "cause", "event_key") and value is not None:
            table.add_row(name.replace("_", " "), printable(value))
    console.print(table)
    console.print("\nattributes", style="bold")
    for name, value in sorted(letter["attributes"].items()):
        console.print(f"  {printable(name)}: {printable(value)}")
    for action in letter["actions"]:
        told = " ".join(
            printable(action[name]) for name in ("happened_at", "action", "by", "outcome", "reason")
        )
        console.print(f"\n{told}  (action {action['action_id']})")
    console.print(f"\npayload, {len(payload):,} bytes", style="bold")
    text = event if isinstance(event, str) else json.dumps(event, indent=2, ensure_ascii=False)
    console.print(printable_lines(text))
    if not reveal:
        console.print("prompt texts are hidden: --reveal shows them", style="dim")


def shown(payload: bytes, *, reveal: bool) -> object:
    """The payload as JSON, its texts hidden; what is not a JSON object is a text as a whole."""
    try:
        event = json.loads(payload, parse_float=str, parse_int=_number)
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict):
        return event if reveal else {name: _hidden(name, value) for name, value in event.items()}
    text = payload.decode(errors="backslashreplace")
    return text if reveal else _told("not a JSON object", text)


def _hidden(name: str, value: object) -> object:
    if name in SHOWN and not isinstance(value, dict | list) and len(str(value)) <= LONGEST:
        return value
    return value if value in (None, "", {}, []) else _told(type(value).__name__, value)


def _told(kind: str, value: object) -> str:
    size = len(value) if isinstance(value, str | dict | list) else len(str(value))
    unit = "characters" if not isinstance(value, dict | list) else "entries"
    return f"<hidden: {kind}, {size:,} {unit}>"


def _number(digits: str) -> int | str:
    return int(digits) if len(digits) < 20 else digits
