"""Each change by an owner is in the history, in a chain that shows when somebody cut it or wrote in it."""

from __future__ import annotations

from uuid import UUID

import pytest
from counting import execution, insert, together
from queries import rows, run_script, scalar
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from prompt_schema.verify import verify
from tests.support.versions import activate, create, history, sqlstate

pytestmark = pytest.mark.usefixtures("warm_checks")

CHAIN = "history of prompts, its chain"


def chain_fault(engine: Engine) -> str | None:
    (check,) = [check for check in verify(engine) if check.name == CHAIN]
    return None if check.ok else check.hint


def test_activation_says_what_it_replaced_and_why(engine: Engine) -> None:
    first, second = create(engine, template_text="1", is_active=True), create(engine, template_text="2")
    activate(engine, second, reason="students asked for it")
    assert history(engine) == [
        ("created", "template", 1), ("activated", "template", 1), ("created", "template", 2),
        ("deactivated", "template", 1), ("activated", "template", 2),
    ]  # fmt: skip
    assert rows(
        engine, "SELECT who, login, reason, before -> 'is_active', after -> 'is_active' FROM prompt_history "
        "ORDER BY id DESC LIMIT 1"
    ) == [("postgres", "postgres", "students asked for it", False, True)]  # fmt: skip
    rows(engine, "UPDATE prompt_templates SET description = 'x', updated_by = 'y' WHERE id = :id", id=first)
    assert rows(
        engine, "SELECT action, reason, before, after FROM prompt_history ORDER BY id DESC LIMIT 1"
    ) == [("edited", None, {"description": None}, {"description": "x"})]


def test_guardrails_and_experiments_are_recorded_without_counters(
    engine: Engine, template: tuple[UUID, str]
) -> None:
    rows(engine, "UPDATE prompt_guardrails SET severity = 'low' WHERE name = 'toxic_content_filter'")
    rows(engine, "UPDATE prompt_guardrails SET total_checks = 7, updated_by = 'x'")
    rows(
        engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, control_template_id, variant_template_ids, "
        "traffic_allocation, primary_metric) VALUES ('e', :name, 'active', :id, '{}', '{}', '-')",
        name=template[1],
        id=template[0],
    )
    insert(engine, execution(template, ab_test_group="control"))
    rows(engine, "UPDATE ab_test_experiments SET status = 'completed', winner_variant = 'control'")
    rows(engine, "DELETE FROM ab_test_experiments")
    assert rows(
        engine,
        "SELECT action, kind, subject, before ->> 'severity', before ->> 'status', after ->> 'status', "
        "before ? 'total_executions' OR after ? 'total_executions' FROM prompt_history WHERE id > 1 ORDER BY id",
    ) == [
        ("edited", "guardrail", "toxic_content_filter", "high", None, None, False),
        ("created", "experiment", "e", None, None, "active", None),
        ("edited", "experiment", "e", None, "active", "completed", False),
        ("deleted", "experiment", "e", None, "completed", None, None),
    ]


@pytest.mark.parametrize(
    "change",
    ["UPDATE prompt_history SET who = 'x'", "DELETE FROM prompt_history", "TRUNCATE prompt_history"],
)
def test_history_is_only_ever_added_to(engine: Engine, change: str) -> None:
    with pytest.raises(DBAPIError, match="is only ever added to") as refused:
        rows(engine, change)
    assert sqlstate(refused.value) == "PW004"


def test_what_the_history_is_of_is_not_emptied_at_once(engine: Engine) -> None:
    """TRUNCATE fires no trigger of a row: nobody could say what was there, nor would any service hear of it."""
    create(engine, is_active=True)
    before = scalar(engine, "SELECT count(*) FROM prompt_templates")
    for table in (
        "prompt_templates", "prompt_translations", "prompt_labels", "prompt_names", "prompt_template_names",
        "prompt_policies", "prompt_registry", "prompt_reviews", "prompt_history", "prompt_guardrails",
        "ab_test_experiments", "ab_test_phases", "ab_test_looks",
    ):  # fmt: skip
        with pytest.raises(DBAPIError) as refused:
            rows(engine, f"TRUNCATE {table} CASCADE")
        assert sqlstate(refused.value) == "PW004", table
    assert scalar(engine, "SELECT count(*) FROM prompt_templates") == before
    assert chain_fault(engine) is None


def test_chain_is_whole_whoever_wrote_at_once(engine: Engine, template: tuple[UUID, str]) -> None:
    drafts = [create(engine, f"prompt {number}") for number in range(4)]

    def change(number: int) -> None:
        for turn in range(10):
            rows(
                engine,
                "UPDATE prompt_templates SET template_text = :t WHERE id = :id",
                t=str(turn),
                id=drafts[number],
            )
            rows(engine, "UPDATE prompt_guardrails SET description = :t", t=f"{number} {turn}")

    together(*[lambda n=n: change(n) for n in range(4)])  # type: ignore[misc]
    assert chain_fault(engine) is None
    assert scalar(engine, "SELECT count(*) FROM prompt_history") == 1 + 4 + 4 * 10 * (1 + 3)


def test_chain_is_whole_in_transactions_that_see_an_old_state(engine: Engine) -> None:
    """In REPEATABLE READ the last row may be one that this transaction cannot see: it fails, and the chain holds."""
    create(engine)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SELECT count(*) FROM prompt_history"))
        rows(engine, "UPDATE prompt_guardrails SET description = 'x'")
        with pytest.raises(OperationalError, match="could not serialize access"):
            connection.execute(text("UPDATE prompt_guardrails SET description = 'y'"))
    assert chain_fault(engine) is None


@pytest.mark.parametrize(
    ("forgery", "found"),
    [
        ("UPDATE prompt_history SET who = 'somebody' WHERE id = 2", "row 2 was changed"),
        ("UPDATE prompt_history SET after = after || '{\"is_active\": true}' WHERE id = 2", "row 2 was changed"),
        ("DELETE FROM prompt_history WHERE id = 2", "row 3 does not follow"),
        ("DELETE FROM prompt_history WHERE id = (SELECT max(id) FROM prompt_history)", "the last row is gone"),
        ("DELETE FROM prompt_history", "the last row is gone"),
        ("INSERT INTO prompt_history SELECT (h).* FROM (SELECT h FROM prompt_history h WHERE id = 3) x (h) "
         "ON CONFLICT DO NOTHING; UPDATE prompt_history SET id = 100 WHERE id = 3", "row 100 was changed"),
        # Even where the forger makes the row's own hash right.
        ("UPDATE prompt_history SET who = 'somebody' WHERE id = 2;"
         "UPDATE prompt_history h SET sha256 = prompt_history_sha256(h) WHERE id = 2", "row 3 does not follow"),
    ],
)  # fmt: skip
def test_forged_history_is_found(engine: Engine, forgery: str, found: str) -> None:
    create(engine)
    create(engine)
    create(engine)
    assert chain_fault(engine) is None
    run_script(engine, f"ALTER TABLE prompt_history DISABLE TRIGGER USER; {forgery};"
                       "ALTER TABLE prompt_history ENABLE TRIGGER USER")  # fmt: skip
    assert found in (chain_fault(engine) or "")


def test_reason_of_one_transaction_is_not_the_nexts(engine: Engine) -> None:
    template, other = create(engine), create(engine)
    activate(engine, template, reason="because")
    activate(engine, other)
    assert [reason for (reason,) in rows(
        engine, "SELECT reason FROM prompt_history WHERE action = 'activated' ORDER BY id"
    )] == ["because", None]  # fmt: skip
