"""The beginning of a rollout: checked as an activation is, for a part of the units."""

from __future__ import annotations

import json
from typing import Literal

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.experiments.allocation import stepped
from prompt_worker.experiments.judging.rollout import CANARY
from prompt_worker.experiments.rollouts.reading import expected_rollout
from prompt_worker.experiments.rollouts.steps import as_json
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.authoring.acting import APPROVER, Actor, changing
from prompt_worker.prompts.authoring.reading.rollout import Rollout
from prompt_worker.prompts.authoring.releases.activating import check_included, releasing
from prompt_worker.prompts.authoring.releases.gate.examining import Examined

_START = (
    "SELECT start_prompt_rollout(%(canary)s, %(sha256)s, %(steps)s, %(ranges)s, %(unit_kind)s, %(auto_rollback)s, "
    "%(counts_violations)s)"
)


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """`steps`: as `steps_from` makes them. `auto_rollback`: an evaluator that finds harm ends it.

    `counts_violations`: what a guardrail finds is a failure, too.
    """

    steps: list[float]
    unit_kind: Literal["user", "session"] = "user"
    auto_rollback: bool = False
    counts_violations: bool = False


def start_rollout(
    session: Session, actor: Actor, examined: Examined, terms: Terms, *, force: bool = False
) -> Rollout:
    """At its first step. What is in production stays there until the last one.

    Raises what `activate` raises: `ReleaseError` also where there is nothing in production, the name is blocked, or
    another experiment is on it.
    """
    version = examined.version
    actor = releasing(actor, examined, force=force)

    def start(cursor: cursor) -> Rollout:
        cursor.execute(
            _START,
            {
                "canary": str(version.id),
                "sha256": version.sha256,
                "steps": json.dumps([as_json(step) for step in terms.steps]),
                "ranges": msgspec.json.encode(stepped([], CANARY, terms.steps[0])).decode(),
                "unit_kind": terms.unit_kind,
                "auto_rollback": terms.auto_rollback,
                "counts_violations": terms.counts_violations,
            },
        )
        # From here on no release commits before this one.
        check_included(cursor, version, examined.included)
        return expected_rollout(cursor, version.name)

    return changing(session, actor, APPROVER, start)
