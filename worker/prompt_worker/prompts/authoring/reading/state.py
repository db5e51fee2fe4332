"""What a name stood for at a moment: as it is now, with what was changed since taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement
from prompt_worker.prompts.authoring.refusals import NotAllowedError

_NOW = statement(__name__, "state_now")
_CHANGES = statement(__name__, "changes_since")
_IN_FULL = statement(__name__, "changes_in_full_since")
_MAY_READ = "SELECT has_table_privilege('prompt_history', 'SELECT')"
# Of which the action alone does not say what was before.
_NEEDS_BEFORE = frozenset({"labelled", "unlabelled", "blocked", "rules"})


class State(msgspec.Struct):
    """`edited`: versions whose content was changed in place since, so that it is not known here."""

    production: int | None
    labels: dict[str, int]
    blocked: str | None
    rules: list[Any]
    edited: set[int] = set()


class Change(NamedTuple):
    """One row of the history; `before` and `after` are None where the login may not read them."""

    action: str
    kind: str
    version: int | None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


def read_state(cursor: cursor, name: str, at: datetime | None = None) -> State:
    """At that moment, or now. Raises `NotAllowedError` where what was before can only be read with more rights."""
    cursor.execute(_NOW, {"name": name})
    ((production, labels, blocked, rules),) = cursor.fetchall()
    state = State(production, labels, blocked, rules)
    if at is None:
        return state
    may_read = may_read_changes(cursor)
    cursor.execute(_IN_FULL if may_read else _CHANGES, {"name": name, "at": at})
    for row in cursor:
        take_back(state, Change(*row))
    return state


def may_read_changes(cursor: cursor) -> bool:
    """Whether the login may read from what to what something was changed."""
    cursor.execute(_MAY_READ)
    ((may_read,),) = cursor.fetchall()
    return bool(may_read)


def take_back(state: State, change: Change) -> None:
    """One change, the newest of those that are left."""
    if change.action in _NEEDS_BEFORE and change.before is None and change.after is None:
        raise NotAllowedError(
            "labels, rules or a block were changed since: this login may not read from what, it needs the role "
            "prompt_text_reader"
        )
    before, after = change.before or {}, change.after or {}
    match change.kind, change.action:
        case "template", "activated":
            if state.production == change.version:
                state.production = None
        case "template", "deactivated":
            state.production = change.version
        case (("template" | "translation"), "edited"):
            if change.after is None or "content_sha256" in after:
                state.edited.add(change.version or 0)
        case "label", "labelled" if not before:
            state.labels.pop(after["label"], None)
        case "label", ("labelled" | "unlabelled"):
            # A label of a version that was deleted with it has no number.
            if before.get("version") is not None:
                state.labels[before["label"]] = before["version"]
        case "name", ("blocked" | "unblocked"):
            state.blocked = before.get("blocked_reason", "for a reason that this login may not read")
        case "name", "rules":
            state.rules = before.get("rules", [])
