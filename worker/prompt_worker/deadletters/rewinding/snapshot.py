"""Snapshots of a subscription, made and deleted with an entry in the audit."""

from __future__ import annotations

from prompt_worker.deadletters.audit import audited
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.pubsub.rewind import Rewind


def create_snapshot(rewind: Rewind, session: Session, subscription: str, name: str, *, by: str) -> None:
    """Raises `SeekError` where the name is taken or there is no such subscription, and `DeploymentError`."""
    with audited(session, "snapshot", by, {}, {"subscription": subscription, "created": name}) as entry:
        rewind.create(subscription, name)
        session.run(entry.done)


def delete_snapshot(rewind: Rewind, session: Session, name: str, *, by: str) -> None:
    """Raises `SeekError` where there is none of that name, and `DeploymentError`."""
    with audited(session, "snapshot", by, {}, {"deleted": name}) as entry:
        rewind.delete(name)
        session.run(entry.done)
