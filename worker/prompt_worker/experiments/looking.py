"""A look at an experiment in the database: one transaction reads, judges and writes down what it saw.

Two evaluators never look at the same time, and one that is killed leaves nothing: a look is there with its verdict, or
not at all.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.evidence.reading import check_measurable, read_evidence
from prompt_worker.experiments.judging.evidence import CONTROL, History, PlannedLook
from prompt_worker.experiments.judging.look import Look, take_look
from prompt_worker.experiments.judging.metrics import FEEDBACK
from prompt_worker.experiments.judging.verdict import UNTRUSTED
from prompt_worker.experiments.stored import RUNNING, Experiment, find_experiment, running_names
from prompt_worker.platform.postgres.session import Session
from prompt_worker.platform.postgres.statements import statement

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('look at experiment ' || %(name)s, 0))"
_HISTORY = statement(__name__, "history")
_STORE = statement(__name__, "store_look")
_UPDATE = statement(__name__, "update_experiment")
_HARM = (
    "SELECT reason FROM ab_test_looks WHERE experiment_id = %(id)s AND phase = %(phase)s AND verdict = 'harmful' "
    "ORDER BY id LIMIT 1"
)
_PROPOSE = statement(__name__, "propose_winner")


class Looked(msgspec.Struct, frozen=True):
    """`look` is None where another evaluator looks at it now; `is_new`: it saw something that the last one did not.

    `experiment` is as it was before the look.
    """

    experiment: Experiment
    look: Look | None
    is_new: bool = False

    @property
    def is_turned(self) -> bool:
        """Whether the verdict is another one than before, whoever looked then: true for one look of any number."""
        return self.look is not None and self.look.verdict.name != self.experiment.verdict

    @property
    def canary(self) -> dict[str, Any] | None:
        """Of a rollout: the numbers that it is judged by."""
        canary = None if self.look is None else self.look.canary
        return None if canary is None else msgspec.structs.asdict(canary)

    @property
    def advice(self) -> str | None:
        """What a person has to do, as nothing else does it."""
        experiment = self.experiment
        is_harm = self.look is not None and self.look.verdict.name == "harmful"
        if not is_harm or experiment.kind != "rollout" or experiment.status not in RUNNING:
            return None
        if experiment.auto_rollback:
            return None
        return f"take it back with 'prompt-worker prompts rollout abort {experiment.template_name}'"


def running_experiments(session: Session) -> list[str]:
    """Names of those that an evaluator looks at. Raises `DeploymentError`."""
    return session.run(running_in)


def running_in(cursor: cursor) -> list[str]:
    """`running_experiments` in a transaction of the caller's. Raises `psycopg2.Error`."""
    return running_names(cursor)


def look_at(session: Session, name: str) -> Looked:
    """Looks once, and stores the look if it saw anything new.

    Raises `NoSuchExperimentError`, `ExperimentError` for a metric that cannot be measured, `DeploymentError`.
    """
    return session.run(lambda cursor: look_in(cursor, name))


def look_in(cursor: cursor, name: str) -> Looked:
    """`look_at` in a transaction of the caller's. Raises `ExperimentError`, `psycopg2.Error`."""
    cursor.execute(_LOCK, {"name": name})
    ((alone,),) = cursor.fetchall()
    # Read after the lock is held: another evaluator may have ended its look just before.
    experiment = find_experiment(cursor, name)
    if not alone or not experiment.arms or experiment.actual_start_date is None:
        return Looked(experiment, None)
    # The server's clock, as that of the rule which rows count.
    cursor.execute("SELECT now()")
    ((at,),) = cursor.fetchall()
    plan = experiment.plan
    # Of an experiment of before, say: without a number it would collect for ever, and nobody would know why.
    for metric in plan.metrics:
        check_measurable(metric)
    history, last = _read_history(cursor, experiment)
    retries = "retried" in (last or {}).get("excluded", {})
    look = take_look(plan, read_evidence(cursor, experiment, plan.metrics, at, retries=retries), history)
    is_new = last != _seen(look)
    if is_new:
        _store(cursor, experiment, look)
    _update(cursor, experiment, look)
    return Looked(experiment, look, is_new)


def _read_history(cursor: cursor, experiment: Experiment) -> tuple[History, dict[str, Any] | None]:
    """What is left behind, and what the last look saw."""
    first = experiment.span.phase if experiment.span else 1
    cursor.execute(_HISTORY, {"id": str(experiment.id), "first": first})
    ((planned, planned_at, ratio_p, last),) = cursor.fetchall()
    found = msgspec.convert(planned, dict[str, PlannedLook]) if planned is not None else None
    is_rollout = experiment.kind == "rollout" and experiment.phases
    harm = _read_harm(cursor, experiment) if is_rollout else None
    return History(found, planned_at, 1.0 if ratio_p is None else ratio_p, harm), last


def _read_harm(cursor: cursor, experiment: Experiment) -> str | None:
    """Of a rollout, what was found at its present step."""
    cursor.execute(_HARM, {"id": str(experiment.id), "phase": experiment.phases[-1].phase})
    row = cursor.fetchone()
    return None if row is None else str(row[0])


def _seen(look: Look) -> dict[str, Any]:
    """What makes a look another one: the rows that it counts and leaves out, their feedback, and its verdict."""
    seen: dict[str, Any] = {
        "verdict": look.verdict.name,
        "rows": look.evidence.rows,
        "units": look.evidence.units,
        "excluded": look.evidence.excluded,
    }
    # It comes, and changes, after the rows that it is about.
    if feedback := {
        metric: {
            arm: [found.moments.weight, round(found.moments.total, 6)] for arm, found in sorted(arms.items())
        }
        for metric, arms in sorted(look.evidence.measured.items())
        if metric.startswith(FEEDBACK)
    }:
        seen["feedback"] = feedback
    return seen


def _store(cursor: cursor, experiment: Experiment, look: Look) -> None:
    primary = experiment.primary_metric
    intervals = {
        each.arm: [each.difference, *each.interval]
        for each in look.comparisons
        if each.metric == primary and each.difference is not None and each.interval is not None
    }
    cursor.execute(
        _STORE,
        {
            "experiment_id": str(experiment.id),
            "phase": experiment.phases[-1].phase if experiment.phases else None,
            "looked_at": look.evidence.at,
            "planned": look.planned is not None,
            "verdict": look.verdict.name,
            "reason": look.verdict.why,
            "units": look.evidence.all_units,
            "p_value": look.p_value,
            "ratio_p": look.ratio_p,
            "intervals": json.dumps(intervals),
            "numbers": msgspec.json.encode({"seen": _seen(look), **msgspec.structs.asdict(look)}).decode(),
        },
    )


def _update(cursor: cursor, experiment: Experiment, look: Look) -> None:
    """The contract's columns, from the same numbers. Nothing of arms that cannot be compared."""
    measured = look.evidence.measured.get(experiment.primary_metric, {})
    values = {
        arm: found.moments.ratio if found.value is None else found.value for arm, found in measured.items()
    }
    if look.verdict.name in UNTRUSTED:
        values = {}
    winner = look.verdict.arm if look.verdict.name == "winner" else None
    # What a person accepted stays. It is recorded, as owners' changes are, which lock the registry first, and then the
    # experiment: the other way round each would wait for the other.
    if winner != experiment.winner_variant and experiment.winner_declared_by is None:
        cursor.execute(_PROPOSE, {"id": str(experiment.id), "winner": winner, "at": _when(winner, look)})
    cursor.execute(
        _UPDATE,
        {
            "id": str(experiment.id),
            "verdict": look.verdict.name,
            "reason": look.verdict.why,
            "at": look.evidence.at,
            "control": values.pop(CONTROL, None),
            "variants": json.dumps(values),
            "p_value": look.p_value,
        },
    )


def _when(winner: str | None, look: Look) -> datetime | None:
    return look.evidence.at if winner else None
