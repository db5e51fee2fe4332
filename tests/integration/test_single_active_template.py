"""One version of a name and test group is active, however many are activated at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from counting import (
    execution,
    insert,
    together,
    until_one_waits,
)
from queries import change_in_place, rows, run_script, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from prompt_schema.statistics import recount
from prompt_worker.platform.postgres.engine import connect


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Its sessions wait for locks as long as a busy machine makes them: a deadlock ends one after a second."""
    engine = connect(
        database,
        application_name="test",
        pool_size=20,
        statement_timeout_ms=120_000,
        lock_timeout_ms=60_000,
    )
    yield engine
    engine.dispose()


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
            insert(
                engine,
                *[execution(one, template_version=version) for version, one in enumerate(versions, 1)],
            )

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


@pytest.mark.parametrize(
    "change",
    [
        "SET name = name || '_'",
        "SET version = version + 100",
        "SET name = name || '_', is_active = NOT is_active",
    ],
)
def test_renaming_beside_writers_never_deadlocks(
    engine: Engine, template: tuple[UUID, str], change: str
) -> None:
    """Writers lock templates in the order of their rows, too: a foreign key locks before the statistics do."""
    change_in_place(engine)
    versions = [template]
    for number in range(4):
        versions += rows(
            engine,
            "INSERT INTO prompt_templates (name, template_text) VALUES (:name, '-') RETURNING id, name",
            name=f"other {number}",
        )  # type: ignore[arg-type]
    done = threading.Event()

    def write(order: int) -> None:
        while not done.is_set():
            insert(engine, *[execution(version) for version in versions[::order] * 20])

    def rename() -> None:
        try:
            for turn in range(25):
                rows(
                    engine,
                    f"UPDATE prompt_templates {change} WHERE id IN (:one, :other)",
                    one=versions[turn % 5][0],
                    other=versions[(turn + 2) % 5][0],
                )
        finally:
            done.set()

    together(lambda: write(1), lambda: write(-1), lambda: write(1), rename)
    assert recount(engine) == []


def test_former_names_and_versions_are_kept(engine: Engine, template: tuple[UUID, str]) -> None:
    change_in_place(engine)
    template_id, name = template
    for change in ("name = 'b'", "version = 2", "description = 'x'", "name = 'b'", "name = 'c', version = 3"):
        rows(engine, f"UPDATE prompt_templates SET {change} WHERE id = :id", id=template_id)
    assert rows(
        engine,
        "SELECT name, version FROM prompt_template_names WHERE template_id = :id ORDER BY until",
        id=template_id,
    ) == [(name, 1), ("b", 1), ("b", 2)]


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
