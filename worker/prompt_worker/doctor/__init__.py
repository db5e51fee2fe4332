"""`prompt-worker doctor`: is this deployment healthy? One check at a time, each with what to do when it fails."""

from __future__ import annotations

from collections.abc import Iterator

from prompt_schema.verify import Check
from prompt_worker.doctor.broker import examine_broker
from prompt_worker.doctor.database import examine_database
from prompt_worker.doctor.rights import Worker


def examine(worker: Worker | None = None) -> Iterator[Check]:
    """Settings, database, schema, guardrails, lag, topics, permissions. What depends on a failed check is left out.

    With a `worker`, instead: may the account and the login that this runs as do what that worker does?
    """
    yield from examine_database(worker)
    yield from examine_broker(worker)
