"""A new epoch: after a backup was restored, so that services follow a registry whose revision went back."""

from __future__ import annotations

from typing import NamedTuple

from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor, changing, reading

_NOW = "SELECT epoch, revision FROM prompt_registry"
_NEW = "UPDATE prompt_registry SET epoch = epoch + 1 RETURNING epoch"


class Position(NamedTuple):
    """A registry's order: by epoch, then by revision."""

    epoch: int
    revision: int


def position(session: Session) -> Position:
    """Raises `NotAllowedError`, `DeploymentError`."""

    def read(cursor: cursor) -> Position:
        cursor.execute(_NOW)
        ((epoch, revision),) = cursor.fetchall()
        return Position(epoch, revision)

    return reading(session, read)


def new_epoch(session: Session, actor: Actor) -> int:
    """The number of the new one. Raises `NotAllowedError`, `DeploymentError`."""

    def change(cursor: cursor) -> int:
        cursor.execute(_NEW)
        ((epoch,),) = cursor.fetchall()
        return int(epoch)

    return changing(session, actor, "prompt_operator", change)
