"""How many approvals a version needs before it is activated, by category or by name; and what may change in place."""

from __future__ import annotations

from typing import Literal

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing, reading
from prompt_worker.prompts.authoring.stored import find_version

Freeze = Literal["record", "enforce"]
OWNER = "prompt_approver, or that of the tables' owner"
_CATEGORIES = "SELECT category, approvals_needed FROM prompt_policies ORDER BY category"
_NAMES = "SELECT name, approvals_needed FROM prompt_names WHERE approvals_needed IS NOT NULL ORDER BY name"
_FREEZE = 'SELECT "freeze" FROM prompt_registry'
_SET_FREEZE = 'UPDATE prompt_registry SET "freeze" = %s WHERE "freeze" <> %s'
_SET_CATEGORY = (
    "INSERT INTO prompt_policies (category, approvals_needed) VALUES (%s, %s) "
    "ON CONFLICT (category) DO UPDATE SET approvals_needed = excluded.approvals_needed"
)
_SET_NAME = "UPDATE prompt_names SET approvals_needed = %s WHERE name = %s"


class Policies(msgspec.Struct, frozen=True):
    """Approvals needed: 0 where nothing is said. A name's own takes the place of its category's."""

    categories: dict[str, int]
    names: dict[str, int]
    freeze: Freeze


def read_policies(session: Session) -> Policies:
    """Raises `NotAllowedError`, `DeploymentError`."""
    return reading(session, _read)


def require_of_category(session: Session, actor: Actor, category: str, approvals: int) -> Policies:
    """Raises `NotAllowedError`, `DeploymentError`."""

    def change(cursor: cursor) -> Policies:
        cursor.execute(_SET_CATEGORY, (category, approvals))
        return _read(cursor)

    return changing(session, actor, OWNER, change)


def require_of_name(session: Session, actor: Actor, name: str, approvals: int | None) -> Policies:
    """None: as its category. Raises `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""

    def change(cursor: cursor) -> Policies:
        find_version(cursor, name)
        cursor.execute(_SET_NAME, (approvals, name))
        return _read(cursor)

    return changing(session, actor, OWNER, change)


def set_freeze(session: Session, actor: Actor, freeze: Freeze) -> Policies:
    """`enforce`: what was served never changes. `record`: it may, with a row in the history.

    Raises `NotAllowedError`, `DeploymentError`.
    """

    def change(cursor: cursor) -> Policies:
        cursor.execute(_SET_FREEZE, (freeze, freeze))
        return _read(cursor)

    return changing(session, actor, APPROVER, change)


def _read(cursor: cursor) -> Policies:
    cursor.execute(_CATEGORIES)
    categories = dict(cursor.fetchall())
    cursor.execute(_NAMES)
    names = dict(cursor.fetchall())
    cursor.execute(_FREEZE)
    ((freeze,),) = cursor.fetchall()
    return Policies(categories, names, freeze)
