"""The kill switch of a name: while it is blocked no service serves any version of it, built-in ones included."""

from __future__ import annotations

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.naming import BadNameError
from prompt_worker.prompts.authoring.stored import find_version

_NOW = "SELECT blocked_reason FROM prompt_names WHERE name = %s"
_SET = "UPDATE prompt_names SET blocked_reason = %s WHERE name = %s"


class Blocked(msgspec.Struct, frozen=True):
    """The reason before and now; None where it is not blocked."""

    name: str
    before: str | None
    now: str | None


def block(session: Session, actor: Actor, name: str) -> Blocked:
    """For the actor's reason, which services get to see.

    Raises `BadNameError` without one, `UnknownPromptError`, `NotAllowedError`, `DeploymentError`.
    """
    if not (actor.reason or "").strip():
        raise BadNameError("a block needs a reason: whoever is refused the prompt reads it")
    return _set(session, actor, name, actor.reason)


def unblock(session: Session, actor: Actor, name: str) -> Blocked:
    """Raises `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""
    return _set(session, actor, name, None)


def _set(session: Session, actor: Actor, name: str, reason: str | None) -> Blocked:
    def change(cursor: cursor) -> Blocked:
        find_version(cursor, name)
        cursor.execute(_NOW, (name,))
        ((before,),) = cursor.fetchall()
        if before != reason:
            cursor.execute(_SET, (reason, name))
        return Blocked(name, before, reason)

    return changing(session, actor, APPROVER, change)
