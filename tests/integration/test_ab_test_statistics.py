"""An experiment counts the executions of its groups and its time, however many write at the same time (P2)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from counting import (
    EXPERIMENT,
    NOON,
    TEMPLATES,
    begin_experiment,
    execution,
    insert,
    together,
)
from queries import rows, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from prompt_schema.statistics import recount


@pytest.mark.parametrize("status", ["active", "paused", "completed"])
def test_experiment_counts_its_groups_in_its_time(
    engine: Engine, template: tuple[UUID, str], status: str
) -> None:
    end = NOON + timedelta(days=1)
    begin_experiment(engine, template, status, actual_start_date=NOON, actual_end_date=end)
    other = rows(engine, TEMPLATES)[1]
    insert(
        engine,
        execution(template, ab_test_group="control"),
        execution(template, ab_test_group="variant_a"),
        execution(template, ab_test_group="variant_a", executed_at=end - timedelta(microseconds=1)),
        execution(template, ab_test_group="variant_b"),
        execution(template, ab_test_group="variant_b", executed_at=end),
        execution(template, ab_test_group="control", executed_at=NOON - timedelta(microseconds=1)),
        execution(template),
        execution(other, ab_test_group="control"),  # type: ignore[arg-type]
    )
    assert rows(engine, EXPERIMENT) == [(4, 1, {"variant_a": 2, "variant_b": 1})]
    # Late, but of its time.
    insert(engine, execution(template, ab_test_group="variant_b"))
    assert rows(engine, EXPERIMENT) == [(5, 1, {"variant_a": 2, "variant_b": 2})]
    assert recount(engine) == []


@pytest.mark.parametrize("status", ["draft", "cancelled"])
def test_experiment_that_does_not_run_counts_nothing(
    engine: Engine, template: tuple[UUID, str], status: str
) -> None:
    begin_experiment(engine, template, status)
    insert(engine, execution(template, ab_test_group="control"))
    assert rows(engine, EXPERIMENT) == [(0, 0, {})]


def test_completed_experiment_gets_an_end_and_counts_late_rows(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    begin_experiment(engine, template)
    rows(engine, "UPDATE ab_test_experiments SET status = 'completed'")
    assert scalar(engine, "SELECT now() - actual_end_date < interval '1 minute' FROM ab_test_experiments")
    now = datetime.now(UTC)
    insert(engine, execution(template, ab_test_group="control", executed_at=now - timedelta(hours=1)))
    insert(engine, execution(template, ab_test_group="control", executed_at=now + timedelta(hours=1)))
    assert rows(engine, EXPERIMENT) == [(1, 1, {})]
    assert recount(engine) == []


def test_experiment_is_recounted_when_its_rule_changes(engine: Engine, template: tuple[UUID, str]) -> None:
    other = rows(engine, TEMPLATES)[1]
    begin_experiment(engine, template, "draft")
    insert(
        engine,
        execution(template, ab_test_group="control"),
        execution(template, ab_test_group="variant_a", executed_at=NOON + timedelta(hours=1)),
        execution(other, ab_test_group="variant_b"),  # type: ignore[arg-type]
    )
    for change, expected in (
        ("status = 'active'", (2, 1, {"variant_a": 1})),
        (f"actual_start_date = '{NOON + timedelta(minutes=1)}'", (1, 0, {"variant_a": 1})),
        (f"template_name = '{other[1]}', actual_start_date = NULL", (1, 0, {"variant_a": 0, "variant_b": 1})),
        ("status = 'cancelled'", (0, 0, {"variant_a": 0, "variant_b": 0})),
    ):
        rows(engine, f"UPDATE ab_test_experiments SET {change}")
        assert rows(engine, EXPERIMENT) == [expected], change
    assert recount(engine) == []


def test_experiment_may_change_beside_writers(engine: Engine, template: tuple[UUID, str]) -> None:
    """A row is counted by its writer or by the recount, never by both or none, and nobody deadlocks."""
    begin_experiment(engine, template, "draft")
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            insert(engine, *[execution(template, ab_test_group=group) for group in ("control", "variant_a")])

    def change() -> None:
        try:
            for turn in range(40):
                name = template[1] if turn % 3 else "another"
                status = ["active", "paused", "draft", "completed", "cancelled"][turn % 5]
                rows(
                    engine, "UPDATE ab_test_experiments SET template_name = :n, status = :s", n=name, s=status
                )
                if turn % 10 == 9:
                    rows(engine, "DELETE FROM ab_test_experiments")
                    begin_experiment(engine, template)
        finally:
            done.set()

    together(write, write, write, change)
    assert rows(engine, EXPERIMENT)[0][0] > 0
    assert recount(engine) == []


def test_older_snapshot_may_not_change_what_is_counted(engine: Engine, template: tuple[UUID, str]) -> None:
    begin_experiment(engine, template, "draft")
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        with pytest.raises(DBAPIError, match="READ COMMITTED"):
            connection.execute(text("UPDATE ab_test_experiments SET status = 'active'"))
        connection.rollback()
    engine.dispose()
