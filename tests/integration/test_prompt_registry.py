"""The revision counts what services are served, and nothing else; numbers, labels, the kill switch."""

from __future__ import annotations

import select
from contextlib import closing
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from counting import execution, insert, together
from queries import change_in_place, rows, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from prompt_schema.folding import fold
from prompt_schema.statistics import rebuild
from tests.support.versions import activate, create, history, revision, sqlstate

EXPERIMENT = (
    "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
    "traffic_allocation, primary_metric) SELECT 'e', name, 'active', id, '{}', '{}', '-' FROM prompt_templates "
    "WHERE id = :id"
)
COUNTED = [
    "INSERT INTO prompt_templates (name, template_text) VALUES ('new', '-')",
    "UPDATE prompt_templates SET is_active = true WHERE id = :id",
    "UPDATE prompt_templates SET template_text = 'x' WHERE id = :id",
    "UPDATE prompt_templates SET model_config = '{\"temperature\": 0}' WHERE id = :id",
    "UPDATE prompt_templates SET category = 'x' WHERE id = :id",
    "UPDATE prompt_templates SET ab_test_group = 'x' WHERE id = :id",
    "DELETE FROM prompt_templates WHERE id = :id",
    "INSERT INTO prompt_translations (template_id, language, template_text) VALUES (:id, 'de', 'x')",
    "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'staging', :id)",
    "UPDATE prompt_names SET blocked_reason = 'x' WHERE name = 'hints'",
    "UPDATE prompt_names SET rules = '[{}]' WHERE name = 'hints'",
    EXPERIMENT,
]
NOT_COUNTED = [
    "UPDATE prompt_templates SET description = 'x', updated_at = now() WHERE id = :id",
    "UPDATE prompt_templates SET total_executions = 7, avg_cost_usd = 1 WHERE id = :id",
    "UPDATE prompt_guardrails SET severity = 'low'",
    "UPDATE prompt_guardrails SET total_checks = 7",
    "INSERT INTO prompt_policies (category, approvals_needed) VALUES ('c', 1)",
    "INSERT INTO prompt_cases (name, input_variables) VALUES ('hints', '{}')",
    "INSERT INTO prompt_reviews (template_id, content_sha256, verdict) "
    "SELECT id, content_sha256, 'rejected' FROM prompt_templates WHERE id = :id",
    "SELECT next_prompt_version('hints')",
]


@pytest.mark.parametrize("statement", COUNTED)
def test_change_that_services_see_counts_up_by_one(engine: Engine, statement: str) -> None:
    template = create(engine)
    before = revision(engine)
    rows(engine, statement, **({"id": template} if ":id" in statement else {}))
    assert revision(engine) == before + 1


@pytest.mark.parametrize("statement", NOT_COUNTED)
def test_change_that_no_service_sees_counts_nothing(engine: Engine, statement: str) -> None:
    template = create(engine)
    before = revision(engine)
    rows(engine, statement, **({"id": template} if ":id" in statement else {}))
    assert revision(engine) == before


def test_experiment_counts_by_what_assigns_alone(engine: Engine, template: tuple[UUID, str]) -> None:
    rows(engine, EXPERIMENT, id=template[0])
    before = revision(engine)
    rows(engine, "UPDATE ab_test_experiments SET winner_variant = 'control', description = 'x'")
    rows(engine, "UPDATE ab_test_experiments SET total_executions = 7, variant_executions = '{}'")
    assert revision(engine) == before
    rows(engine, "UPDATE ab_test_experiments SET traffic_allocation = '{\"control\": 100}'")
    assert revision(engine) == before + 1
    rows(engine, "UPDATE ab_test_experiments SET status = 'completed'")
    assert revision(engine) == before + 2


def test_statistics_count_nothing(engine: Engine, template: tuple[UUID, str]) -> None:
    rows(engine, EXPERIMENT, id=template[0])
    before = revision(engine), scalar(engine, "SELECT count(*) FROM prompt_history")
    insert(engine, execution(template, ab_test_group="control", cost_usd=1))
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL prompt_worker.batch = on"))
        connection.execute(
            text(
                "INSERT INTO prompt_executions (template_id, template_name, template_version, ab_test_group, "
                "input_variables, rendered_prompt, status) SELECT id, name, 1, 'control', '{}', '-', 'success' "
                "FROM prompt_templates WHERE id = :id"
            ),
            {"id": template[0]},
        )
    fold(engine)
    rows(engine, "UPDATE prompt_templates SET total_executions = 7")
    rebuild(engine)
    assert (revision(engine), scalar(engine, "SELECT count(*) FROM prompt_history")) == before


def test_transaction_of_many_changes_counts_up_once(engine: Engine) -> None:
    before = revision(engine)
    with engine.begin() as connection:
        # Whoever only reviews counts nothing, and whoever changes something afterwards does.
        connection.execute(text("UPDATE prompt_guardrails SET severity = 'low'"))
        connection.execute(text("INSERT INTO prompt_templates (name, template_text) VALUES ('a', '-')"))
        connection.execute(
            text("INSERT INTO prompt_templates (name, template_text, is_active) VALUES ('b', '-', true)")
        )
        connection.execute(text("UPDATE prompt_templates SET is_active = true WHERE name = 'a'"))
    assert revision(engine) == before + 1


def test_change_that_is_rolled_back_counts_nothing(engine: Engine) -> None:
    before = revision(engine)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO prompt_templates (name, template_text) VALUES ('a', '-')"))
        connection.rollback()
    with engine.begin() as connection:
        savepoint = connection.begin_nested()
        connection.execute(text("INSERT INTO prompt_templates (name, template_text) VALUES ('a', '-')"))
        savepoint.rollback()
        connection.execute(text("INSERT INTO prompt_templates (name, template_text) VALUES ('b', '-')"))
    assert revision(engine) == before + 1
    assert history(engine, "a") == []


def test_listener_hears_epoch_and_revision(engine: Engine, database: str) -> None:
    with closing(psycopg2.connect(database)) as listening:
        listening.autocommit = True
        listening.cursor().execute("LISTEN prompt_registry")
        create(engine)
        rows(engine, "UPDATE prompt_registry SET epoch = epoch + 1")
        found: list[Any] = listening.notifies
        while len(found) < 2:
            assert select.select([listening], [], [], 10)[0]
            listening.poll()
        assert [each.payload for each in found] == ["1:2", "2:2"]


def test_registry_never_goes_back(engine: Engine) -> None:
    create(engine)
    for statement in (
        "UPDATE prompt_registry SET revision = 1",
        "UPDATE prompt_registry SET epoch = 0",
        "DELETE FROM prompt_registry",
    ):
        with pytest.raises(DBAPIError) as refused:
            rows(engine, statement)
        assert sqlstate(refused.value) == "PW004"
    with pytest.raises(IntegrityError):
        rows(engine, "INSERT INTO prompt_registry (\"freeze\") VALUES ('record')")


def test_twenty_creates_at_once_get_twenty_numbers(engine: Engine) -> None:
    def by_null() -> int:
        template = create(engine, "raced")
        return int(scalar(engine, "SELECT version FROM prompt_templates WHERE id = :id", id=template))

    def by_function() -> int:
        with engine.begin() as connection:
            number = int(connection.scalar(text("SELECT next_prompt_version('raced')")) or 0)
            connection.execute(
                text("INSERT INTO prompt_templates (name, version, template_text) VALUES ('raced', :v, '-')"),
                {"v": number},
            )
            return number

    numbers = together(*[by_null, by_function] * 10)
    assert sorted(numbers) == list(range(1, 21))
    assert scalar(engine, "SELECT next_version FROM prompt_names WHERE name = 'raced'") == 21


def test_number_of_a_deleted_version_is_never_used_again(engine: Engine) -> None:
    first, second = create(engine), create(engine)
    rows(engine, "DELETE FROM prompt_templates WHERE id IN (:first, :second)", first=first, second=second)
    for version in (1, 2):
        with pytest.raises(IntegrityError, match="never used again"):
            create(engine, version=version)
    assert create(engine)
    assert history(engine)[-1] == ("created", "template", 3)
    # A program of a database that was taken over chooses its numbers.
    change_in_place(engine)
    create(engine, version=1)


def test_number_chosen_by_hand_moves_the_next_one(engine: Engine) -> None:
    create(engine, version=7)
    create(engine, version=3)
    create(engine)
    assert rows(engine, "SELECT version FROM prompt_templates WHERE name = 'hints' ORDER BY created_at") == [
        (7,), (3,), (8,),
    ]  # fmt: skip
    with pytest.raises(IntegrityError, match="unique constraint"):
        create(engine, version=7)
    create(engine, version=2**31 - 1)


def test_existing_names_have_their_next_number(engine: Engine) -> None:
    assert set(rows(engine, "SELECT name, next_version FROM prompt_names")) == {
        (name, 2) for (name,) in rows(engine, "SELECT name FROM prompt_templates")
    }


@pytest.mark.parametrize("label", ["3", "3a", "latest", "production", "Staging", "a b", "", "ä", "x" * 51])
def test_label_that_could_be_something_else_is_refused(engine: Engine, label: str) -> None:
    template = create(engine)
    with pytest.raises(DBAPIError, match=r"check constraint|too long"):
        rows(
            engine,
            "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', :label, :id)",
            label=label,
            id=template,
        )


def test_label_names_a_version_of_its_own_prompt(engine: Engine, template: tuple[UUID, str]) -> None:
    create(engine)
    with pytest.raises(IntegrityError, match="names a version of another prompt"):
        rows(
            engine,
            "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'staging', :id)",
            id=template[0],
        )


def test_label_moves_and_goes_with_its_version(engine: Engine) -> None:
    one, other = create(engine), create(engine)
    move = (
        "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'staging', :id) "
        "ON CONFLICT (name, label) DO UPDATE SET template_id = EXCLUDED.template_id"
    )
    rows(engine, move, id=one)
    rows(engine, move, id=other)
    rows(engine, move, id=other)
    assert rows(engine, "SELECT template_id, moved_by FROM prompt_labels") == [(other, "postgres")]
    rows(engine, "DELETE FROM prompt_templates WHERE id = :id", id=other)
    assert rows(engine, "SELECT * FROM prompt_labels") == []
    assert [each for each in history(engine) if each[1] == "label"] == [
        ("labelled", "label", 1), ("labelled", "label", 2), ("unlabelled", "label", None),
    ]  # fmt: skip


def test_renamed_version_loses_its_label(engine: Engine) -> None:
    template = create(engine)
    rows(
        engine, "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'a', :id)", id=template
    )
    change_in_place(engine)
    rows(engine, "UPDATE prompt_templates SET name = 'tips' WHERE id = :id", id=template)
    assert rows(engine, "SELECT * FROM prompt_labels") == []
    assert scalar(engine, "SELECT next_version FROM prompt_names WHERE name = 'tips'") == 2


def test_kill_switch_says_who_threw_it(engine: Engine) -> None:
    rows(engine, "INSERT INTO prompt_names (name, blocked_reason) VALUES ('never made', '  says too much ')")
    rows(engine, "UPDATE prompt_names SET blocked_by = 'somebody', blocked_at = NULL")
    switched = (
        "SELECT blocked_reason, blocked_by, blocked_at IS NULL FROM prompt_names WHERE name = 'never made'"
    )
    assert rows(engine, switched) == [("says too much", "postgres", False)]
    rows(engine, "UPDATE prompt_names SET blocked_reason = ' ' WHERE name = 'never made'")
    assert rows(engine, switched) == [(None, None, True)]
    assert history(engine, "never made") == [("blocked", "name", None), ("unblocked", "name", None)]


def test_version_inserted_active_by_hand_is_active(engine: Engine) -> None:
    """As other programs do it, who know nothing of registries."""
    rows(
        engine,
        "INSERT INTO prompt_templates (name, template_text, variables, is_active, created_by) "
        "VALUES ('theirs', 'Hi', '[]', true, 'them')",
    )
    assert rows(
        engine,
        "SELECT version, is_active, length(content_sha256), author, created_by FROM prompt_templates "
        "WHERE name = 'theirs'",
    ) == [(1, True, 64, "postgres", "them")]
    assert history(engine, "theirs") == [("created", "template", 1), ("activated", "template", 1)]


def test_activations_beside_writers_never_deadlock(engine: Engine, template: tuple[UUID, str]) -> None:
    """Whoever changes a prompt has the registry first, then the templates; writers never ask for the registry."""
    _, name = template
    versions = [template[0], *(create(engine, name) for _ in range(4))]
    until = iter(range(60))
    done: list[int] = []

    def write(order: int) -> None:
        while len(done) < 20:
            insert(
                engine,
                *[execution((one, name), template_version=n) for n, one in enumerate(versions, 1)][::order],
            )

    def release(turn: int) -> None:
        try:
            for _ in range(3):
                activate(engine, versions[(turn + next(until)) % 5])
        finally:
            done.append(turn)

    together(
        lambda: write(1),
        lambda: write(-1),
        lambda: write(1),
        *[lambda n=n: release(n) for n in range(20)],  # type: ignore[misc]
    )
    assert (
        scalar(engine, "SELECT count(*) FROM prompt_templates WHERE name = :name AND is_active", name=name)
        == 1
    )
    assert scalar(engine, "SELECT count(*) FROM prompt_history WHERE action = 'activated'") > 0


def test_owners_of_everything_at_once_never_deadlock(engine: Engine, template: tuple[UUID, str]) -> None:
    rows(engine, EXPERIMENT, id=template[0])
    draft = create(engine)
    done: list[bool] = []
    changes = [
        "UPDATE prompt_guardrails SET severity = 'low'",
        "UPDATE ab_test_experiments SET status = 'active', description = 'x'",
        "UPDATE prompt_templates SET template_text = template_text || '.' WHERE name = 'hints'",
        "UPDATE prompt_names SET rules = '[]'",
        "INSERT INTO prompt_labels (name, label, template_id) VALUES ('hints', 'a', (SELECT id FROM prompt_templates "
        "WHERE name = 'hints' ORDER BY version DESC LIMIT 1)) ON CONFLICT (name, label) DO UPDATE SET moved_at = now()",
        "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES ('hints', NULL, '-', true)",
        "UPDATE prompt_templates SET description = 'x'",
    ]
    change_in_place(engine)

    def change(statement: str) -> None:
        try:
            for _ in range(15):
                rows(engine, statement)
        finally:
            done.append(True)

    def write() -> None:
        while len(done) < len(changes):
            insert(engine, execution(template, ab_test_group="control"), execution((draft, "hints")))

    together(write, write, *[lambda s=s: change(s) for s in changes])  # type: ignore[misc]
