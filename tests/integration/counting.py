"""Executions and experiments written with SQL, and work done at the same time, for tests of the statistics."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from queries import rows, scalar
from sqlalchemy import Engine

TEMPLATES = "SELECT id, name FROM prompt_templates WHERE created_by = 'system' ORDER BY name"
COUNTERS = (
    "SELECT total_executions, success_count, failure_count, avg_response_time_ms, avg_token_count, avg_cost_usd "
    "FROM prompt_templates WHERE id = :id"
)
EXPERIMENT = "SELECT total_executions, control_executions, variant_executions FROM ab_test_experiments WHERE name = 'e'"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def execution(template: tuple[UUID, str], **columns: object) -> dict[str, object]:
    template_id, name = template
    return {
        "template_id": template_id,
        "template_name": name,
        "template_version": 1,
        "ab_test_group": None,
        "status": "success",
        "execution_time_ms": None,
        "token_count": None,
        "cost_usd": None,
        "executed_at": NOON,
    } | columns


def insert(engine: Engine, *executions: dict[str, object]) -> None:
    """One statement, one transaction."""
    values = ", ".join(
        f"(:template_id_{i}, :template_name_{i}, :template_version_{i}, :ab_test_group_{i}, '{{}}', '-', :status_{i}, "
        f":execution_time_ms_{i}, :token_count_{i}, :cost_usd_{i}, :executed_at_{i})"
        for i in range(len(executions))
    )
    rows(
        engine,
        "INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, "
        "input_variables, rendered_prompt, status, execution_time_ms, token_count, cost_usd, executed_at) "
        f"VALUES {values}",
        **{f"{name}_{i}": value for i, one in enumerate(executions) for name, value in one.items()},
    )


def begin_experiment(
    engine: Engine, template: tuple[UUID, str], status: str = "active", **columns: object
) -> None:
    columns = {"actual_start_date": None, "actual_end_date": None} | columns
    rows(
        engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric, actual_start_date, actual_end_date) "
        "VALUES ('e', :name, :status, :id, '{}', '{}', '-', :actual_start_date, :actual_end_date)",
        id=template[0],
        name=template[1],
        status=status,
        **columns,
    )


def together(*calls: Callable[[], object]) -> list[Any]:
    """All at once, each in a thread; the first error is raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        started = [pool.submit(call) for call in calls]
        return [future.result(timeout=60) for future in started]


def until_one_waits(engine: Engine) -> None:
    """Returns when a session of this database waits for a lock."""
    for _ in range(500):
        if scalar(
            engine,
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        ):
            return
        time.sleep(0.01)
    pytest.fail("no session waits for a lock")
