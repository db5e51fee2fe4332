"""Who acts and why, in the transaction that acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.refusals import refusals

Result = TypeVar("Result")

VIEWER, EDITOR, APPROVER = "prompt_viewer", "prompt_editor", "prompt_approver"
_SETTING = "SELECT set_config(%s, %s, true)"


@dataclass(frozen=True)
class Actor:
    """The history has the login, and `person` where the login may speak for another (`prompt_identity_provider`).

    `name` is what the columns `created_by` and `updated_by` get. `break_glass` activates without approvals; it needs
    a reason.
    """

    name: str
    person: str | None = None
    reason: str | None = None
    break_glass: bool = False


def reading(session: Session, work: Callable[[cursor], Result], *, role: str = VIEWER) -> Result:
    """What `work` returns. Raises `DeploymentError`, and `NotAllowedError` where the login lacks `role`."""

    def read(cursor: cursor) -> Result:
        with refusals(role):
            return work(cursor)

    return session.run(read)


def changing(session: Session, actor: Actor, role: str, work: Callable[[cursor], Result]) -> Result:
    """What `work` returns, once it is committed. Raises `DeploymentError` and what `refusals` raises."""

    def change(cursor: cursor) -> Result:
        with refusals(
            role if actor.person is None else f"{role}, or prompt_identity_provider to act for another"
        ):
            cursor.execute(_SETTING, ("prompt_worker.reason", actor.reason or ""))
            cursor.execute(_SETTING, ("prompt_worker.person", actor.person or ""))
            cursor.execute(_SETTING, ("prompt_worker.break_glass", "on" if actor.break_glass else ""))
            return work(cursor)

    return session.run(change)
