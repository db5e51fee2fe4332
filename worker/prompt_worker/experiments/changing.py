"""What an owner does with an experiment: start, pause, resume, stop, accept. Each is one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.allocation import can_grow, grown, ranges_of, shares_of
from prompt_worker.experiments.errors import ExperimentError
from prompt_worker.experiments.evidence.ratings import check_recorded
from prompt_worker.experiments.evidence.reading import check_measurable
from prompt_worker.experiments.refused import changed
from prompt_worker.experiments.stored import Experiment, Phase, Status, find_experiment
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_START_PHASE = statement(__name__, "start_phase")
_REASON = "SELECT set_config('prompt_worker.reason', %(why)s, true)"


def start(session: Session, name: str, *, by: str) -> Experiment:
    """A draft becomes active, and its first phase begins. Raises `ExperimentError`, `DeploymentError`."""

    def work(cursor: cursor) -> Experiment:
        found = _expected(cursor, name, "draft")
        if not found.arms:
            raise ExperimentError(f"{name} has no arms: create an experiment in its place")
        for metric in found.plan.metrics:
            check_measurable(metric)
        check_recorded(cursor, found.plan.metrics, "Publish one first")
        _set_status(cursor, found, "active", "started", columns="actual_start_date = now()")
        weights = _weights(cursor, found)
        phase = Phase(phase=1, seed=str(found.id), ranges=ranges_of(weights), restarts=True, why="started")
        _begin_phase(cursor, found, phase, weights, by)
        return find_experiment(cursor, name)

    return session.run(work)


def pause(session: Session, name: str, *, why: str) -> Experiment:
    """Nobody is assigned any more; what was served goes on counting. Raises as `start` does."""
    return session.run(lambda cursor: _status(cursor, name, ("active",), "paused", why))


def resume(session: Session, name: str, *, why: str) -> Experiment:
    """Raises as `start` does."""
    return session.run(lambda cursor: _status(cursor, name, ("paused",), "active", why))


def stop(session: Session, name: str, *, why: str, cancel: bool = False) -> Experiment:
    """Ends it; `cancel`: as one that never counts. Raises as `start` does."""
    status: Status = "cancelled" if cancel else "completed"
    return session.run(lambda cursor: _status(cursor, name, ("draft", "active", "paused"), status, why))


def reweigh(session: Session, name: str, weights: Mapping[str, float], *, why: str, by: str) -> Experiment:
    """A new phase. Where no arm becomes smaller every unit keeps its arm, else all are assigned again.

    Where the arms' shares of each other change, the comparison begins again. Raises as `start` does.
    """

    def work(cursor: cursor) -> Experiment:
        found = _expected(cursor, name, "active", "paused")
        _check_is_test(found)
        if set(weights) != set(found.arms):
            raise ExperimentError(f"give a weight to each of {', '.join(found.arms)}")
        cursor.execute(
            "SELECT FROM ab_test_looks WHERE experiment_id = %(id)s AND planned", {"id": str(found.id)}
        )
        if cursor.rowcount:
            raise ExperimentError(f"the planned look at {name} is done: stop it, and create another")
        last = found.phases[-1]
        number = last.phase + 1
        if can_grow(last.ranges, weights):
            seed, ranges = last.seed, grown(last.ranges, weights)
        else:
            seed, ranges = f"{found.id}/{number}", ranges_of(weights)
        restarts = seed != last.seed or shares_of(ranges) != last.shares
        cursor.execute(
            "UPDATE ab_test_phases SET ended_at = now() WHERE experiment_id = %(id)s AND ended_at IS NULL",
            {"id": str(found.id)},
        )
        phase = Phase(phase=number, seed=seed, ranges=ranges, restarts=restarts, why=why)
        _begin_phase(cursor, found, phase, weights, by)
        return find_experiment(cursor, name)

    return session.run(work)


def accept(session: Session, name: str, *, arm: str | None, by: str, why: str) -> Experiment:
    """Declares the winner and ends the experiment; its version is activated by a person. Raises as `start` does.

    `arm`: another one than the proposed, which needs a reason too.
    """

    def work(cursor: cursor) -> Experiment:
        found = _expected(cursor, name, "active", "paused", "completed")
        _check_is_test(found)
        chosen = arm or found.winner_variant
        if chosen is None:
            raise ExperimentError(
                f"{name} has no winner ({found.verdict or 'nobody looked yet'}): name one with --arm"
            )
        if chosen not in found.arms:
            raise ExperimentError(f"{name} has no arm {chosen[:50]}: it has {', '.join(found.arms)}")
        if found.winner_declared_by is not None:
            raise ExperimentError(
                f"{found.winner_variant} was accepted by {found.winner_declared_by} already"
            )
        _set_status(
            cursor,
            found,
            "completed",
            why,
            columns="winner_variant = %(arm)s, winner_declared_by = %(by)s, winner_declared_at = now()",
            arm=chosen,
            by=by,
        )
        _end_phases(cursor, found)
        return find_experiment(cursor, name)

    return session.run(work)


def _status(cursor: cursor, name: str, expected: tuple[Status, ...], status: Status, why: str) -> Experiment:
    found = _expected(cursor, name, *expected)
    _set_status(cursor, found, status, why)
    if status in ("completed", "cancelled"):
        _end_phases(cursor, found)
    return find_experiment(cursor, name)


def _check_is_test(found: Experiment) -> None:
    if found.kind == "rollout":
        raise ExperimentError(
            f"{found.name} is a rollout: 'prompt-worker prompts rollout advance {found.template_name}'"
        )


def _expected(cursor: cursor, name: str, *expected: Status) -> Experiment:
    found = find_experiment(cursor, name)
    if found.status not in expected:
        raise ExperimentError(f"{name} is {found.status}: this needs one that is {' or '.join(expected)}")
    return found


def _set_status(
    cursor: cursor, found: Experiment, status: Status, why: str, *, columns: str = "", **values: Any
) -> None:
    cursor.execute(_REASON, {"why": why})
    separator = ", " if columns else ""
    statement = (
        f"UPDATE ab_test_experiments SET status = %(status)s{separator}{columns}, updated_at = now() "  # noqa: S608
        "WHERE id = %(id)s AND status = %(before)s RETURNING id"
    )
    values = {"status": status, "before": found.status, "id": str(found.id), **values}
    if not changed(cursor, statement, values, found.name):
        raise ExperimentError(f"{found.name} was changed by somebody else at the same time: look at it again")


def _weights(cursor: cursor, found: Experiment) -> dict[str, float]:
    cursor.execute(
        "SELECT traffic_allocation FROM ab_test_experiments WHERE id = %(id)s", {"id": str(found.id)}
    )
    ((allocation,),) = cursor.fetchall()
    return {arm: float(allocation[arm]) for arm in found.arms}


def _begin_phase(
    cursor: cursor, found: Experiment, phase: Phase, weights: Mapping[str, float], by: str
) -> None:
    parameters = {
        "id": str(found.id),
        "phase": phase.phase,
        "seed": phase.seed,
        "ranges": msgspec.json.encode(phase.ranges).decode(),
        "allocation": json.dumps(dict(weights)),
        "restarts": phase.restarts,
        "why": phase.why,
        "by": by,
    }
    changed(cursor, _START_PHASE, parameters, found.name)


def _end_phases(cursor: cursor, found: Experiment) -> None:
    cursor.execute(
        "UPDATE ab_test_phases SET ended_at = now() WHERE experiment_id = %(id)s AND ended_at IS NULL",
        {"id": str(found.id)},
    )
