"""Everything about one dead letter, with prompt texts hidden unless they are asked for."""

from __future__ import annotations

import json
from functools import partial
from typing import Any
from uuid import UUID

from psycopg2.extensions import cursor

from prompt_worker.deadletters.kinds import EXECUTION, Kind
from prompt_worker.deadletters.sweep import sweep_before_reading
from prompt_worker.event.depth import check_depth
from prompt_worker.platform.failures import Failure
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_FIND = statement(__name__, "find_dead_letter")
_ACTIONS = statement(__name__, "actions_on_dead_letter")

Letter = dict[str, Any]


class NoSuchDeadLetterError(Failure):
    """Says where ids are found."""

    exit_code = 66


def find(session: Session, wanted: UUID) -> Letter:
    """Finds one by its id or its event's: each column by name, and `actions`, what operators did to it.

    Raises `NoSuchDeadLetterError`, `DeploymentError`.
    """
    sweep_before_reading(session)
    return session.run(partial(_read, wanted))


def _read(wanted: UUID, cursor: cursor) -> Letter:
    cursor.execute(_FIND, {"id": str(wanted)})
    row = cursor.fetchone()
    if row is None:
        raise NoSuchDeadLetterError(
            f"no dead letter has the id {wanted} or is of an event with that id; "
            "'prompt-worker dead-letters list' shows the ids"
        )
    letter = {column.name: value for column, value in zip(cursor.description or (), row, strict=True)}
    letter["payload"] = bytes(letter["payload"])
    cursor.execute(_ACTIONS, {"id": str(letter["id"])})
    names = [column.name for column in cursor.description or ()]
    letter["actions"] = [dict(zip(names, action, strict=True)) for action in cursor]
    return letter


def shown(payload: bytes, *, reveal: bool, kind: Kind = EXECUTION) -> object:
    """The payload as JSON, its texts hidden unless `reveal`; a body that is not a JSON object is one text."""
    try:
        check_depth(payload)
        event = json.loads(payload, parse_float=str, parse_int=_number)
    except (ValueError, RecursionError):
        event = None
    if isinstance(event, dict):
        return event if reveal else {name: _hidden(name, value, kind) for name, value in event.items()}
    text = payload.decode(errors="backslashreplace")
    return text if reveal else _placeholder("not a JSON object", text)


def _hidden(name: str, value: object, kind: Kind) -> object:
    if kind.shows(name, value):
        return value
    return value if value in (None, "", {}, []) else _placeholder(type(value).__name__, value)


def _placeholder(what: str, value: object) -> str:
    size = len(value) if isinstance(value, str | dict | list) else len(str(value))
    unit = "characters" if not isinstance(value, dict | list) else "entries"
    return f"<hidden: {what}, {size:,} {unit}>"


def _number(digits: str) -> int | str:
    """Python refuses to read integers of thousands of digits."""
    return int(digits) if len(digits) < 20 else digits
