"""The next step of a rollout, and its last, which activates the version. A person takes each."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.allocation import stepped
from prompt_worker.experiments.judging.rollout import CANARY
from prompt_worker.experiments.rollouts.reading import expected_rollout
from prompt_worker.experiments.rollouts.steps import WHOLE, as_json
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.reading.rollout import Rollout
from prompt_worker.prompts.authoring.refusals import ReleaseError
from prompt_worker.prompts.authoring.releases.activating import Activated, activate
from prompt_worker.prompts.authoring.releases.gate.examining import Examined
from prompt_worker.prompts.errors import short

_STEP = "SELECT step_prompt_rollout(%(id)s, %(phase)s, %(percent)s, %(ranges)s)"
_HARM = (
    "SELECT reason FROM ab_test_looks WHERE experiment_id = %(id)s AND phase = %(phase)s AND verdict = 'harmful' "
    "ORDER BY id LIMIT 1"
)
_END = "SELECT end_prompt_rollout(%(id)s, true)"


def is_last(rollout: Rollout) -> bool:
    """Whether the next step is the activation."""
    return rollout.next_step in (WHOLE, None)


def check(rollout: Rollout, actor: Actor, *, force: bool = False) -> Actor:
    """Whether the next step may be taken: the actor, with what was forced in the reason.

    `force`: in spite of harm, or where nobody has looked; it needs a reason. Raises `ReleaseError`.
    """
    name = short(rollout.name)
    if rollout.status != "active":
        raise ReleaseError(
            f'the rollout of {name} is {rollout.status}: \'prompt-worker experiments resume "{rollout.experiment}" '
            "--reason WHY' first"
        )
    problem = _problem(rollout)
    if problem is None:
        return actor
    if not force:
        raise _refused(name, problem)
    if not (actor.reason or "").strip():
        raise ReleaseError(f"the rollout of {name} was not advanced: forcing it needs a reason")
    return replace(actor, reason=f"{actor.reason} (forced: {problem})")


def step(session: Session, actor: Actor, rollout: Rollout, *, force: bool = False) -> Rollout:
    """To the next step that is not the last. The canary keeps its units, and gets more from the control.

    Raises `ReleaseError`, also where the rollout is at another step by now, or was found to do harm since `check`;
    `NotApprovedError`, `NotAllowedError`, `DeploymentError`.
    """
    percent = rollout.next_step or WHOLE

    def change(cursor: cursor) -> Rollout:
        _check_still(cursor, rollout, force)
        cursor.execute(
            _STEP,
            {
                "id": str(rollout.id),
                "phase": rollout.phase,
                "percent": json.dumps(as_json(percent)),
                "ranges": msgspec.json.encode(stepped(rollout.ranges, CANARY, percent)).decode(),
            },
        )
        if not force:
            _check_no_harm(cursor, rollout)
        return expected_rollout(cursor, rollout.name)

    return changing(session, actor, APPROVER, change)


def finish(
    session: Session, actor: Actor, rollout: Rollout, examined: Examined, *, force: bool = False
) -> Activated:
    """The version is activated and the rollout ends, both or neither. Raises what `step` and `activate` raise."""

    def end(cursor: cursor) -> None:
        _check_still(cursor, rollout, force)
        cursor.execute(_END, {"id": str(rollout.id)})

    return activate(session, actor, examined, force=force, then=end)


def _check_still(cursor: cursor, rollout: Rollout, force: bool) -> None:
    """What was seen before the version was tried again may have changed since."""
    now = expected_rollout(cursor, rollout.name, running=True)
    if (now.id, now.phase) != (rollout.id, rollout.phase):
        raise ReleaseError(
            f"the rollout of {short(rollout.name)} was advanced by somebody else: look at it again"
        )
    problem = _problem(now)
    if problem is not None and not force:
        raise _refused(short(rollout.name), problem)


def _check_no_harm(cursor: cursor, rollout: Rollout) -> None:
    """The step waits for other changes: harm that was found meanwhile is of the step before, and would be forgotten."""
    cursor.execute(_HARM, {"id": str(rollout.id), "phase": rollout.phase})
    found = cursor.fetchone()
    if found is not None:
        raise _refused(short(rollout.name), f"it is harmful: {found[0]}")


def _refused(name: str, problem: str) -> ReleaseError:
    return ReleaseError(
        f"the rollout of {name} was not advanced: {problem}. 'prompt-worker prompts rollout abort {name}' takes it "
        "back; --force with --reason goes on"
    )


def _problem(rollout: Rollout) -> str | None:
    if rollout.is_bad:
        return f"it is {rollout.verdict}: {rollout.reason}"
    if rollout.unwatched is not None:
        return rollout.unwatched
    if not rollout.canary.units:
        return "no unit was seen with the canary at this step"
    return None
