"""The end of a rollout before its last step: everybody gets what is in production."""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_worker.experiments.rollouts.reading import expected_rollout
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.reading.rollout import Rollout

_END = "SELECT end_prompt_rollout(%(id)s, false)"


def abort(session: Session, actor: Actor, name: str) -> Rollout:
    """Raises `NoRolloutError`, `UnknownPromptError`, `NotAllowedError`, `DeploymentError`."""

    def change(cursor: cursor) -> Rollout:
        running = expected_rollout(cursor, name, running=True)
        cursor.execute(_END, {"id": str(running.id)})
        return expected_rollout(cursor, name)

    return changing(session, actor, APPROVER, change)
