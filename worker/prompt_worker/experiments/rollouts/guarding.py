"""What an evaluator does about a rollout that does harm: it ends one that asked for it.

A transaction of its own after that of the look: the alarm is on record also where the rollback fails. Whoever looks
next completes what another left, and of two only one does it.
"""

from __future__ import annotations

from psycopg2.extensions import cursor

from prompt_worker.experiments.looking import Looked, look_at
from prompt_worker.experiments.stored import RUNNING
from prompt_worker.platform.postgres.session import Session

_ROLL_BACK = "SELECT roll_back_prompt_rollout(%(id)s)"


def look_and_guard(session: Session, name: str) -> tuple[Looked, bool]:
    """Looks once, and acts on what it found: the look, and whether the rollout was rolled back by this call.

    Raises `NoSuchExperimentError`, `DeploymentError`.
    """
    looked = look_at(session, name)
    return looked, may_roll_back(looked) and session.run(lambda cursor: roll_back_in(cursor, looked))


def may_roll_back(looked: Looked) -> bool:
    """Whether the look found harm in a rollout that is to be ended then."""
    experiment, look = looked.experiment, looked.look
    return (
        look is not None
        and look.verdict.name == "harmful"
        and experiment.kind == "rollout"
        and experiment.auto_rollback
        and experiment.status in RUNNING
    )


def roll_back_in(cursor: cursor, looked: Looked) -> bool:
    """In a transaction of the caller's. False where another has done it. Raises `psycopg2.Error`."""
    cursor.execute(_ROLL_BACK, {"id": str(looked.experiment.id)})
    ((reason,),) = cursor.fetchall()
    return reason is not None
