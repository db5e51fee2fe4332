"""What an evaluator does about harm: it says so, and ends a rollout that asked for it.

A transaction of its own after that of the look: the alarm is on record also where the rollback fails. Whoever looks
next completes what another left, and of two only one does it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.looking import Looked, look_at
from prompt_worker.experiments.stored import RUNNING, Experiment
from prompt_worker.platform import telemetry
from prompt_worker.platform.postgres.session import Session

log = logging.getLogger(__name__)

_ROLL_BACK = "SELECT roll_back_prompt_rollout(%(id)s)"


class Harm(msgspec.Struct, frozen=True):
    """`reason`: the numbers. `rolled_back`: by this call; else a person has to."""

    reason: str
    rolled_back: bool


def look_and_guard(session: Session, name: str) -> tuple[Looked, Harm | None]:
    """Looks once, and acts on what it found. Raises `NoSuchExperimentError`, `DeploymentError`."""
    looked = look_at(session, name)
    return looked, guard(session.run, looked)


def guard(run: Callable[[Callable[[cursor], bool]], bool], looked: Looked) -> Harm | None:
    """None where the rollout does no harm, or another evaluator has taken it back; `run` is one transaction."""
    experiment, look = looked.experiment, looked.look
    if (
        look is None
        or experiment.kind != "rollout"
        or experiment.status not in RUNNING
        or look.verdict.name != "harmful"
    ):
        return None
    if not experiment.auto_rollback:
        return Harm(look.verdict.why, rolled_back=False)
    done = run(lambda cursor: _roll_back(cursor, str(experiment.id)))
    return Harm(look.verdict.why, rolled_back=True) if done else None


def _roll_back(cursor: cursor, rollout: str) -> bool:
    cursor.execute(_ROLL_BACK, {"id": rollout})
    ((reason,),) = cursor.fetchall()
    return reason is not None


def announce(looked: Looked, harm: Harm) -> None:
    """The alert: one line of the log with the numbers, and a count."""
    experiment, outcome = looked.experiment, "rolled_back" if harm.rolled_back else "left"
    telemetry.count("harmful_rollouts", outcome=outcome)
    fields = {
        "event": "harmful_rollout",
        "outcome": outcome,
        "experiment": experiment.name,
        "prompt": experiment.template_name,
        "phase": experiment.phases[-1].phase,
        "canary": None if looked.look is None else msgspec.to_builtins(looked.look.canary),
    }
    log.error(
        "the rollout %s does harm: %s; %s",
        experiment.name,
        harm.reason,
        what_is_done(experiment, harm),
        extra={"fields": fields},
    )


def what_is_done(experiment: Experiment, harm: Harm) -> str:
    """About the harm, or what a person can do."""
    if harm.rolled_back:
        return "rolled back, everybody gets the version in production"
    return f"take it back with 'prompt-worker prompts rollout abort {experiment.template_name}'"
