"""No constraint, index, default, trigger or view of a live database is taken for granted."""

from __future__ import annotations

import os
import threading
from contextlib import closing, suppress

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from prompt_schema.errors import MigrationError
from prompt_schema.migrate import migrate
from prompt_schema.statistics import recount
from prompt_schema.takeover.carrying_out import plan_takeover
from prompt_schema.verify import verify
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import body
from tests.support.live_shapes import (
    TEMPLATES_GONE,
    TWINS,
    Change,
    copied,
    random_changes,
    single_changes,
    url_of,
)

pytestmark = pytest.mark.usefixtures("few_months")

# All of the single changes, and as many random shapes as TAKEOVER_SHAPES says; without it a part of each.
ALL = "TAKEOVER_SHAPES" in os.environ
RANDOM_SHAPES = int(os.environ.get("TAKEOVER_SHAPES", "12"))
SEED = 20261126
PARTS = 4


def changes(postgres: Postgres, live_template: str) -> list[Change]:
    with closing(psycopg2.connect(url_of(postgres, live_template))) as connection:
        return single_changes(connection.cursor())


def apply(engine: Engine, change: Change) -> None:
    """As far as it goes: of several random changes one may exclude another."""
    _, statements = change
    for statement in statements:
        with suppress(DBAPIError):
            run_script(engine, statement)


def problem_of(postgres: Postgres, live_template: str, change: Change) -> str | None:
    """What is wrong after such a database was taken over."""
    kept = "SELECT id, template_id, template_name, template_version, rendered_prompt FROM prompt_executions"
    with copied(postgres, live_template) as engine:
        apply(engine, change)
        before = set(rows(engine, kept))
        try:
            migrate(engine)
        except MigrationError as error:
            return str(error)
        failed = [f"{check.name}: {check.hint}" for check in verify(engine) if not check.ok]
        if failed or (wrong := recount(engine)):
            return "; ".join(failed) or str(wrong)
        return None if set(rows(engine, kept)) == before else "rows changed"


@pytest.mark.embedded_only
@pytest.mark.parametrize("part", range(PARTS))
def test_any_one_thing_may_be_missing_or_different(postgres: Postgres, live_template: str, part: int) -> None:
    singles = changes(postgres, live_template)
    assert len(singles) > 200
    chosen = singles[part::PARTS] if ALL else singles[part :: PARTS * 4]
    problems = {change[0]: problem_of(postgres, live_template, change) for change in chosen}
    assert {name: problem for name, problem in problems.items() if problem} == {}


@pytest.mark.embedded_only
def test_several_things_may_be_missing_or_different(postgres: Postgres, live_template: str) -> None:
    shapes = random_changes(changes(postgres, live_template), RANDOM_SHAPES, SEED)
    problems = {change[0]: problem_of(postgres, live_template, change) for change in shapes}
    assert {name: problem for name, problem in problems.items() if problem} == {}


def test_renumbered_template_keeps_its_former_version(live: Engine) -> None:
    run_script(live, TWINS)
    migrate(live)
    # The twins were made at one moment: their ids decide which comes first.
    found = (
        "SELECT version, ab_test_group IS NULL FROM prompt_templates WHERE name = 'unused' ORDER BY version"
    )
    assert rows(live, found) == [(1, True), (2, False), (3, False)]
    former = (
        "SELECT f.name, f.version, t.version FROM prompt_template_names f "
        "JOIN prompt_templates t ON t.id = f.template_id"
    )
    assert sorted(rows(live, former)) == [("unused", 1, 2), ("unused", 1, 3)]


def test_execution_whose_template_is_gone_gets_one(live: Engine) -> None:
    run_script(live, TEMPLATES_GONE)
    gone = (
        "SELECT count(*) FROM prompt_executions "
        "WHERE NOT EXISTS (SELECT FROM prompt_templates t WHERE t.id = template_id)"
    )
    assert scalar(live, gone) > 0
    migrate(live)
    assert scalar(live, gone) == 0
    made = (
        "SELECT DISTINCT name, is_active, template_text FROM prompt_templates WHERE created_by = 'takeover'"
    )
    assert rows(live, made) == [("nlu_topic_extraction", False, "")]
    assert recount(live) == []


def test_executions_get_keys_and_not_null_beside_writers(live: Engine) -> None:
    """What reads all of them is done before the transaction that locks them, and done again after an interruption."""
    run_script(
        live,
        "ALTER TABLE prompt_executions DROP CONSTRAINT prompt_executions_pkey, ALTER id DROP NOT NULL, "
        "ALTER template_id DROP NOT NULL",
    )
    planned = plan_takeover(live)
    assert not any("prompt_executions while" in line for line in planned.lines())
    before = [line for line in planned.lines() if line.startswith("before: ")]
    assert len(before) == 5
    assert sum("no writer waits" in line for line in before) == 3
    run_script(live, next(step.sql for step in planned.before))
    migrate(live)
    assert [check for check in verify(live) if not check.ok] == []
    assert recount(live) == []


def test_columns_of_their_own_become_those_of_events(live: Engine) -> None:
    """Of another width, with NOT NULL or a default. Values that our rules refuse stop it, by the rule's name."""
    run_script(
        live,
        "ALTER TABLE prompt_executions ADD service text NOT NULL DEFAULT 'theirs', ADD language varchar(10), "
        "ADD registry_revision integer DEFAULT 7, ADD attempt integer; UPDATE prompt_executions SET attempt = 0",
    )
    with pytest.raises(MigrationError, match="prompt_executions_attempt_check"):
        migrate(live)
    run_script(live, "UPDATE prompt_executions SET attempt = 1")
    migrate(live)
    assert [check for check in verify(live) if not check.ok] == []
    kept = "SELECT DISTINCT service, language, registry_revision, attempt FROM prompt_executions"
    assert rows(live, kept) == [("theirs", None, 7, 1)]
    writer = ExecutionWriter(live, threading.Event())
    assert writer([Message(body(), {}, "ack")]) == [Verdict.WRITTEN]
    assert rows(live, f"{kept} WHERE service IS NULL") == [(None, None, None, None)]
