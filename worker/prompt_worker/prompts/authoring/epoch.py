"""A new epoch: after a backup was restored, so that services follow a registry whose revision went back."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor, changing

_NEW = "UPDATE prompt_registry SET epoch = epoch + 1 RETURNING epoch"


def new_epoch(session: Session, actor: Actor) -> int:
    """The number of the new one. Raises `NotAllowedError`, `DeploymentError`."""

    def change(cursor: cursor) -> int:
        cursor.execute(_NEW)
        ((epoch,),) = cursor.fetchall()
        return int(epoch)

    return changing(session, actor, "prompt_operator", change)
