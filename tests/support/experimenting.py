"""Experiments in a database: versions of a prompt, an experiment over them, and executions of its units."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from prompt_worker.experiments.stored import Experiment, find_experiment
from prompt_worker.platform.postgres.session import Session
from prompt_worker.prompts.assignment import Assignment

TEMPLATE = "lesson"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)

_INSERT = text("""
    INSERT INTO prompt_executions (id, template_id, template_name, template_version, ab_test_group, request_id,
        input_variables, rendered_prompt, execution_time_ms, token_count, cost_usd, status, guardrail_action,
        executed_at, environment, experiment_id, experiment_phase, assignment_unit, prompt_source, attempt, user_id)
    SELECT coalesce(r.id, uuid_v7()), t.id, t.name, t.version, r.ab_test_group, r.request_id, '{}', 'p',
           r.execution_time_ms, r.token_count, r.cost_usd, coalesce(r.status, 'success'), r.guardrail_action,
           coalesce(r.executed_at, :at), coalesce(r.environment, 'production'), r.experiment_id, r.experiment_phase,
           r.assignment_unit, coalesce(r.prompt_source, 'live'), r.attempt, r.user_id
    FROM jsonb_to_recordset(:rows) AS r (id uuid, version integer, ab_test_group text, request_id uuid,
        execution_time_ms integer, token_count integer, cost_usd numeric, status text, guardrail_action text,
        executed_at timestamptz, environment text, experiment_id uuid, experiment_phase integer, assignment_unit text,
        prompt_source text, attempt integer, user_id text)
    JOIN prompt_templates t ON t.name = :name AND t.version = r.version
    ON CONFLICT DO NOTHING
""")


def add_versions(engine: Engine, count: int = 2, name: str = TEMPLATE) -> None:
    with engine.begin() as connection:
        for version in range(1, count + 1):
            connection.execute(
                text(
                    "INSERT INTO prompt_templates (name, version, template_text, is_active) "
                    "VALUES (:name, :version, 'text ' || :version, :version = 1)"
                ),
                {"name": name, "version": version},
            )


def add_experiment(
    engine: Engine,
    name: str = "wording",
    *,
    arms: Mapping[str, int] | None = None,
    weights: Mapping[str, float] | None = None,
    **columns: Any,
) -> Experiment:
    """An active one that began at `START`, with its first phase."""
    arms = arms or {"control": 1, "variant_a": 2}
    weights = weights or dict.fromkeys(arms, 100 / len(arms))
    columns = {
        "primary_metric": "success_rate",
        "minimum_sample_size": 1000,
        "actual_start_date": START,
        "actual_end_date": None,
        "protected_metrics": "[]",
        "environment": None,
        "target_improvement_percentage": None,
        **columns,
    }
    from prompt_worker.experiments.allocation import ranges_of

    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ab_test_experiments (name, template_name, status, arms, traffic_allocation, "
                + ", ".join(columns)
                + ") SELECT :experiment, :template, 'active', jsonb_object_agg(a.key, t.id), :weights, "
                + ", ".join(f":{column}" for column in columns)
                + " FROM jsonb_each_text(:arms) a JOIN prompt_templates t "
                "ON t.name = :template AND t.version = a.value::integer"
            ),
            {
                "experiment": name,
                "template": TEMPLATE,
                "weights": json.dumps(weights),
                "arms": json.dumps(arms),
                **columns,
            },
        )
        connection.execute(
            text(
                "INSERT INTO ab_test_phases (experiment_id, phase, seed, ranges, allocation, restarts, started_at, "
                "why, created_by) SELECT id, 1, id::text, :ranges, traffic_allocation, true, :start, 'started', 'test' "
                "FROM ab_test_experiments WHERE name = :name"
            ),
            {
                "name": name,
                "start": columns["actual_start_date"],
                "ranges": json.dumps([[r.start, r.beyond, r.arm] for r in ranges_of(weights)]),
            },
        )
    return get_experiment(engine, name)


def get_experiment(engine: Engine, name: str = "wording") -> Experiment:
    return Session(engine).run(lambda cursor: find_experiment(cursor, name))


def execution(experiment: Experiment, unit: str, **columns: Any) -> dict[str, Any]:
    """As a service records it: the unit's arm, and the version of that arm."""
    phase = experiment.phases[-1]
    recorded, arm = Assignment(phase.seed, phase.ranges).arm_of(unit)
    versions = {name: number for number, name in enumerate(experiment.arms, 1)}
    return {
        "id": str(uuid4()),
        "version": versions.get(arm or "", 1),
        "ab_test_group": arm,
        "request_id": str(uuid4()),
        "experiment_id": str(experiment.id),
        "experiment_phase": phase.phase,
        "assignment_unit": recorded,
        "executed_at": (START + timedelta(days=1)).isoformat(),
        **columns,
    }


def insert(engine: Engine, rows: Iterable[dict[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(_INSERT, {"rows": json.dumps(list(rows)), "name": TEMPLATE, "at": START})


def arm_of(experiment: Experiment, unit: str) -> str | None:
    phase = experiment.phases[-1]
    return Assignment(phase.seed, phase.ranges).arm_of(unit)[1]


def template_of(experiment: Experiment, arm: str) -> UUID:
    return experiment.arms[arm]
