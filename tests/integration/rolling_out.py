"""A guarded rollout of a prompt with three versions, of which the first is in production, and calls that fail in it."""

from __future__ import annotations

import json

import pytest
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_worker.commands.cli import main
from tests.support.authoring import Desk
from tests.support.experimenting import TEMPLATE, arm_of, execution, get_experiment, insert

CANARY = f"{TEMPLATE}@2"
STATE = "SELECT status, verdict FROM ab_test_experiments WHERE name = 'lesson@2'"


def with_versions(desk: Desk) -> Desk:
    """Version 1 of the prompt in production, and versions 2 and 3."""
    desk.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) "
        "SELECT %s, n, 'text ' || n, n = 1 FROM generate_series(1, 3) n",
        TEMPLATE,
    )
    return desk


def begin(
    owner: Desk, *, version: int = 2, auto: bool = False, violations: bool = False, name: str = TEMPLATE
) -> None:
    """As `activate --canary 10` does it, without examining the version first."""
    owner.query(
        "SELECT start_prompt_rollout(id, content_sha256, '[10, 50, 100]', %s, 'user', %s, %s) "
        "FROM prompt_templates WHERE name = %s AND version = %s",
        json.dumps([[0, 1000, "canary"], [1000, 10000, "control"]]),
        auto,
        violations,
        name,
        version,
    )


def serve(engine: Engine, failing: float, others: float = 0.02, *, units: int = 400, **columns: str) -> None:
    """A call of each unit now: of those with the canary this part fails, and of the others that part."""
    experiment = get_experiment(engine, CANARY)
    now = scalar(engine, "SELECT clock_timestamp()").isoformat()
    seen = {"canary": 0, "control": 0}
    executed = []
    for unit in (f"user-{n}" for n in range(units)):
        arm = arm_of(experiment, unit) or ""
        seen[arm] += 1
        part = failing if arm == "canary" else others
        fails = int(seen[arm] * part) > int((seen[arm] - 1) * part)
        found = (columns or {"status": "failure"}) if fails else {}
        executed.append(execution(experiment, unit, executed_at=now, **found))
    insert(engine, executed)


def history(engine: Engine) -> list[tuple[str, int, str | None]]:
    """Of the prompt's rollouts: action, version, reason."""
    return [
        (action, version, reason)
        for action, version, reason in rows(
            engine,
            "SELECT action, version, reason FROM prompt_history WHERE kind = 'rollout' AND subject = :name ORDER BY id",
            name=TEMPLATE,
        )
    ]


def look(database: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    """What `experiments look` prints as the evaluator's login."""
    login = f"{database}?options=-c%20role%3Dprompt_experiment_worker"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABASE_URL", login)
        assert main(["experiments", "look"]) == code
    return capsys.readouterr().out
