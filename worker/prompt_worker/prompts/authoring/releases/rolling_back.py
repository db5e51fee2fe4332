"""Back to the version that was in production before."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import Actor, reading
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.activating import Activated, activate
from prompt_worker.prompts.authoring.releases.gate.examining import examine
from prompt_worker.prompts.authoring.stored import missing, read_heads
from prompt_worker.prompts.errors import short

_ACTIVATIONS = (
    "SELECT action, version FROM prompt_history WHERE subject = %s AND kind = 'template' "
    "AND action IN ('activated', 'deactivated') AND version IS NOT NULL ORDER BY id"
)


class Target(msgspec.Struct, frozen=True):
    """Where a rollback would go, from what is in production; None for nothing."""

    now: int | None
    version: int


def rollback_target(session: Session, name: str) -> Target:
    """Each rollback goes one further back. Raises `UnknownPromptError`, and `ReleaseError` where there is none."""

    def read(cursor: cursor) -> Target:
        heads = read_heads(cursor, name)
        if not heads:
            raise missing(name, 0, [])
        now = next((head.version for head in heads if head.is_production), None)
        cursor.execute(_ACTIVATIONS, (name,))
        there = {head.version for head in heads if head.group is None}
        version = before(cursor.fetchall(), now, there)
        if version is None:
            raise ReleaseError(
                f"no version of {short(name)} was in production before: activate one by its number"
            )
        return Target(now, version)

    return reading(session, read)


def before(actions: Iterable[tuple[str, int]], now: int | None, there: set[int]) -> int | None:
    """What was active before `now`, of the versions that are still there.

    Going back to a version forgets what was activated after it, so that a second rollback does not return to what the
    first one left.
    """
    served: list[int] = []
    for action, version in actions:
        if version in served:
            if action == "activated":
                del served[served.index(version) + 1 :]
        else:
            served.append(version)
    if now in served:
        del served[served.index(now) :]
    return next((version for version in reversed(served) if version in there), None)


def roll_back(session: Session, actor: Actor, name: str, target: Target, *, force: bool = False) -> Activated:
    """Activates the target, which is compiled with what it includes now and not rendered: it was served before.

    Raises what `activate` raises.
    """
    return activate(session, actor, examine(session, name, target.version, inputs=0), force=force)
