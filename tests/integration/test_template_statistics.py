"""Statistics of templates equal a recount of the rows, however many write at the same time (P2)."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest
from counting import (
    COUNTERS,
    TEMPLATES,
    begin_experiment,
    execution,
    insert,
    together,
    until_one_waits,
)
from queries import rows, run_script, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from prompt_schema.statistics import rebuild, recount


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
