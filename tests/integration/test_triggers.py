"""Statistics equal a recount of the rows, whoever writes at the same time (P2); one version is active per name."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from prompt_schema.statistics import rebuild, recount

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
        f"(:template_id_{i}, :template_name_{i}, 1, :ab_test_group_{i}, '{{}}', '-', :status_{i}, "
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


@pytest.fixture
def template(engine: Engine) -> tuple[UUID, str]:
    return tuple(rows(engine, TEMPLATES)[0])  # type: ignore[return-value]


def test_averages_count_only_values_that_are_present(engine: Engine, template: tuple[UUID, str]) -> None:
    insert(
        engine,
        execution(template, execution_time_ms=100, token_count=10, cost_usd=Decimal("0.000001")),
        execution(template, status="failure"),
        execution(template, status="partial", execution_time_ms=0, token_count=0, cost_usd=Decimal(0)),
        execution(template, status="blocked"),
    )
    # A zero is a value, a null is none.
    assert rows(engine, COUNTERS, id=template[0]) == [(4, 1, 1, 50.0, 5, Decimal("0.000001"))]
    assert recount(engine) == []


def test_averages_stay_exact_over_many_batches(engine: Engine, template: tuple[UUID, str]) -> None:
    """Phase 1 rounded the token average at each step; 0.5 of an error a step adds up."""
    tokens = [random.Random(seed).randrange(1000) for seed in range(300)]
    for start in range(0, 300, 3):
        insert(engine, *[execution(template, token_count=count) for count in tokens[start : start + 3]])
    assert rows(engine, COUNTERS, id=template[0])[0][4] == round(Decimal(sum(tokens)) / 300)
    assert recount(engine) == []


def test_template_without_values_has_no_average(engine: Engine, template: tuple[UUID, str]) -> None:
    insert(engine, execution(template))
    assert rows(engine, COUNTERS, id=template[0]) == [(1, 1, 0, None, None, None)]


def test_statement_that_inserts_nothing_touches_nothing(engine: Engine, template: tuple[UUID, str]) -> None:
    insert(engine, execution(template))
    begin_experiment(engine, template)
    insert(engine, execution(template, ab_test_group="control"))
    before = rows(
        engine,
        "SELECT id, xmin::text FROM prompt_templates UNION SELECT id, xmin::text FROM ab_test_experiments",
    )
    rows(
        engine,
        "INSERT INTO prompt_executions SELECT * FROM prompt_executions ON CONFLICT (id) DO NOTHING",
    )
    after = rows(
        engine,
        "SELECT id, xmin::text FROM prompt_templates UNION SELECT id, xmin::text FROM ab_test_experiments",
    )
    assert sorted(before) == sorted(after)


def test_batch_touches_only_its_own_templates(engine: Engine, template: tuple[UUID, str]) -> None:
    query = "SELECT id, xmin::text, updated_at FROM prompt_templates WHERE id <> :id ORDER BY id"
    before = rows(engine, query, id=template[0])
    edited = scalar(engine, "SELECT updated_at FROM prompt_templates WHERE id = :id", id=template[0])
    insert(engine, execution(template))
    assert rows(engine, query, id=template[0]) == before
    # Counting is no edit.
    assert scalar(engine, "SELECT updated_at FROM prompt_templates WHERE id = :id", id=template[0]) == edited


def test_rolled_back_batch_is_not_counted(engine: Engine, template: tuple[UUID, str]) -> None:
    with pytest.raises(IntegrityError):
        insert(engine, execution(template), execution(template, status="no such status"))
    assert rows(engine, COUNTERS, id=template[0])[0][0] == 0


def test_many_writers_never_deadlock_and_count_exactly(engine: Engine) -> None:
    templates = rows(engine, TEMPLATES)
    begin_experiment(engine, templates[0])  # type: ignore[arg-type]

    def write(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            insert(
                engine,
                *[
                    execution(
                        chance.choice(templates),  # type: ignore[arg-type]
                        status=chance.choice(["success", "failure", "partial", "blocked"]),
                        ab_test_group=chance.choice([None, "control", "variant_a", "variant_b"]),
                        execution_time_ms=chance.choice([None, chance.randrange(10_000)]),
                        token_count=chance.choice([None, chance.randrange(10_000)]),
                        cost_usd=chance.choice([None, Decimal(chance.randrange(10**9)) / 10**6]),
                    )
                    for _ in range(20)
                ],
            )

    together(*[lambda seed=seed: write(seed) for seed in range(8)])  # type: ignore[misc]
    assert scalar(engine, "SELECT sum(total_executions) FROM prompt_templates") == 8 * 25 * 20
    assert recount(engine) == []


def test_batch_locks_its_templates_in_the_order_of_their_ids(engine: Engine) -> None:
    """Why writers cannot deadlock: the one that waits for the first template holds none of the others."""
    ids = [UUID(int=number) for number in random.Random(1).sample(range(1, 100), 40)]
    for nth in ids:
        rows(
            engine,
            "INSERT INTO prompt_templates (id, name, template_text) VALUES (:id, :n, '-')",
            id=nth,
            n=str(nth),
        )
    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            text("SELECT FROM prompt_templates WHERE id = :id FOR NO KEY UPDATE"), {"id": sorted(ids)[5]}
        )
        batch = pool.submit(insert, engine, *[execution((nth, str(nth))) for nth in ids])
        until_one_waits(engine)
        free = rows(
            engine,
            "SELECT id FROM prompt_templates WHERE created_by IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
        )
        other.rollback()
        batch.result()
    assert [row[0] for row in free] == sorted(ids)[6:]


def test_rebuild_waits_for_a_counted_but_uncommitted_batch(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            text(
                "INSERT INTO prompt_executions (template_id, template_name, template_version, input_variables, "
                "rendered_prompt, status) VALUES (:id, :name, 1, '{}', '-', 'success')"
            ),
            {"id": template[0], "name": template[1]},
        )
        rebuilt = pool.submit(rows, engine, "SELECT rebuild_template_statistics(:id)", id=template[0])
        until_one_waits(engine)
        other.commit()
        rebuilt.result()
    assert rows(engine, COUNTERS, id=template[0])[0][0] == 1
    assert recount(engine) == []


def test_activation_beside_writers_never_deadlocks(engine: Engine, template: tuple[UUID, str]) -> None:
    """Writers lock all versions of a name; an activation its own row and that of the version it replaces."""
    _, name = template
    versions = [template]
    for version in (2, 3, 4):
        versions += rows(
            engine,
            "INSERT INTO prompt_templates (name, version, template_text) VALUES (:name, :version, '-') "
            "RETURNING id, name",
            name=name,
            version=version,
        )  # type: ignore[arg-type]
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            insert(engine, *[execution(version) for version in versions])

    def activate() -> None:
        try:
            for turn in range(60):
                rows(
                    engine,
                    "UPDATE prompt_templates SET is_active = true WHERE id = :id",
                    id=versions[turn % 4][0],
                )
        finally:
            done.set()

    together(write, write, write, activate)
    assert rows(
        engine, "SELECT version FROM prompt_templates WHERE name = :name AND is_active", name=name
    ) == [(4,)]
    assert recount(engine) == []


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
    insert(engine, execution(template, ab_test_group="variant_b"))  # late, but of its time
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


def test_activated_version_replaces_the_active_one(engine: Engine, template: tuple[UUID, str]) -> None:
    _, name = template
    query = "SELECT version, deactivated_at IS NOT NULL, deactivated_by FROM prompt_templates WHERE name = :name {}"
    rows(
        engine,
        "INSERT INTO prompt_templates (name, version, template_text, is_active, created_by) "
        "VALUES (:name, 2, '-', true, 'ann')",
        name=name,
    )
    assert rows(engine, query.format("AND is_active"), name=name) == [(2, False, None)]
    assert rows(engine, query.format("AND NOT is_active"), name=name) == [(1, True, "ann")]
    rows(
        engine,
        "UPDATE prompt_templates SET is_active = true, updated_by = 'bob' WHERE id = :id",
        id=template[0],
    )
    assert rows(engine, query.format("AND is_active"), name=name) == [(1, False, None)]
    assert rows(engine, query.format("AND NOT is_active"), name=name) == [(2, True, "bob")]


def test_versions_in_an_ab_test_may_be_active_together(engine: Engine, template: tuple[UUID, str]) -> None:
    _, name = template
    rows(
        engine,
        "INSERT INTO prompt_templates (name, version, template_text, is_active, ab_test_group) "
        "VALUES (:name, 2, '-', true, 'variant_a'), (:name, 3, '-', true, 'variant_a')",
        name=name,
    )
    assert (
        scalar(engine, "SELECT count(*) FROM prompt_templates WHERE name = :name AND is_active", name=name)
        == 3
    )
    # Leaving the test, a version meets the active one.
    rows(
        engine,
        "UPDATE prompt_templates SET ab_test_group = NULL WHERE name = :name AND version = 3",
        name=name,
    )
    assert rows(
        engine,
        "SELECT version FROM prompt_templates WHERE name = :name AND is_active ORDER BY 1",
        name=name,
    ) == [(2,), (3,)]


def test_editing_the_active_version_deactivates_nothing(engine: Engine, template: tuple[UUID, str]) -> None:
    before = rows(
        engine, "SELECT id, xmin::text FROM prompt_templates WHERE id <> :id ORDER BY 1", id=template[0]
    )
    rows(
        engine,
        "UPDATE prompt_templates SET description = 'better', is_active = true WHERE id = :id",
        id=template[0],
    )
    assert before == rows(
        engine, "SELECT id, xmin::text FROM prompt_templates WHERE id <> :id ORDER BY 1", id=template[0]
    )


def test_last_of_concurrent_activations_wins_without_an_error(engine: Engine) -> None:
    for version in range(1, 9):
        rows(
            engine,
            "INSERT INTO prompt_templates (name, version, template_text) VALUES ('raced', :v, '-')",
            v=version,
        )
    start = threading.Barrier(10)

    def update(version: int) -> None:
        start.wait()
        for _ in range(10):
            rows(
                engine,
                "UPDATE prompt_templates SET is_active = true WHERE name = 'raced' AND version = :v",
                v=version,
            )

    def create(version: int) -> None:
        start.wait()
        rows(
            engine,
            "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES ('raced', :v, '-', true)",
            v=version,
        )

    together(
        *[lambda v=v: update(v) for v in range(1, 9)],  # type: ignore[misc]
        *[lambda v=v: create(v) for v in (9, 10)],  # type: ignore[misc]
    )
    assert scalar(engine, "SELECT count(*) FROM prompt_templates WHERE name = 'raced' AND is_active") == 1


def test_version_created_active_waits_for_another_one(engine: Engine) -> None:
    create = "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES ('raced', :v, '-', true)"
    with engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(text(create), {"v": 1})
        second = pool.submit(rows, engine, create, v=2)
        until_one_waits(engine)
        other.commit()
        second.result()
    assert rows(engine, "SELECT version FROM prompt_templates WHERE name = 'raced' AND is_active") == [(2,)]


def test_unique_index_holds_where_the_trigger_is_off(engine: Engine) -> None:
    run_script(engine, "ALTER TABLE prompt_templates DISABLE TRIGGER USER")
    with pytest.raises(IntegrityError, match="idx_prompt_templates_single_active"):
        rows(
            engine,
            "INSERT INTO prompt_templates (name, version, template_text, is_active) "
            "VALUES ('x', 1, '-', true), ('x', 2, '-', true)",
        )


def test_recount_names_each_wrong_counter_and_rebuild_repairs_it(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    begin_experiment(engine, template)
    insert(engine, execution(template, ab_test_group="variant_a", execution_time_ms=10))
    run_script(
        engine,
        "UPDATE prompt_templates SET success_count = 7, avg_response_time_ms = 10.5 WHERE total_executions > 0;"
        'UPDATE ab_test_experiments SET variant_executions = \'{"variant_a": 2, "gone": 1}\'',
    )
    assert [(d.table, d.key, d.column, d.stored, d.counted) for d in recount(engine)] == [
        ("prompt_templates", f"{template[1]} v1", "avg_response_time_ms", "10.5", "10"),
        ("prompt_templates", f"{template[1]} v1", "success_count", "7", "1"),
        (
            "ab_test_experiments",
            "e",
            "variant_executions",
            '{"gone": 1, "variant_a": 2}',
            '{"gone": 0, "variant_a": 1}',
        ),
    ]
    assert rebuild(engine) == 2
    assert recount(engine) == []
    assert rebuild(engine) == 0


def test_rebuild_beside_writers_loses_nothing(engine: Engine) -> None:
    templates = rows(engine, TEMPLATES)
    begin_experiment(engine, templates[0])  # type: ignore[arg-type]
    done = threading.Event()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        while not done.is_set():
            insert(
                engine,
                *[execution(one, ab_test_group="control") for one in chance.sample(templates, 3)],  # type: ignore[arg-type]
            )

    def repair() -> None:
        try:
            for _ in range(15):
                rows(engine, "UPDATE prompt_templates SET total_executions = total_executions + 1 WHERE id = :id",
                     id=templates[1][0])  # fmt: skip
                rows(engine, "UPDATE ab_test_experiments SET control_executions = 0")
                assert rebuild(engine) >= 1
        finally:
            done.set()

    together(lambda: write(1), lambda: write(2), lambda: write(3), repair)
    assert recount(engine) == []
