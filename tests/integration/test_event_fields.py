"""Publishers, workers and databases of before and after the fields of how a prompt was served, in every combination."""

from __future__ import annotations

import io
import json
import shutil
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.migrate import MIGRATIONS, migrate, read
from prompt_schema.script import split
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.guardrails.recording.received import receive
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.uuid7 import uuid7
from tests.support.events import bodies, body, event

NAME = "0026_event_fields.sql"
SERVED: dict[str, Any] = {
    "experiment_id": str(uuid4()),
    "experiment_phase": 1,
    "assignment_unit": "user-1",
    "prompt_source": "live",
    "selection": "experiment",
    "registry_revision": 417,
    "language": "de",
    "content_sha256": "0f" * 32,
    "attempt": 1,
    "service": "tutor",
}
# The event as a worker of before knew it, as far as it matters here: it ignored all other fields.
KNOWN = [name for name in ExecutionEvent.__struct_fields__ if name not in SERVED]
Before = msgspec.defstruct("Before", [(name, Any, None) for name in KNOWN])
# What a worker of before sends, word for word but for its binary format.
WRITE = """
SET LOCAL prompt_worker.batch = on;
COPY {table} (
    id, template_id, template_name, template_version, ab_test_group,
    user_id, request_id, session_id, input_variables, rendered_prompt, model_response,
    execution_time_ms, token_count, cost_usd, status, error_message, error_type,
    guardrail_violations, guardrail_action, executed_at, environment,
    model, provider, input_tokens, output_tokens
) FROM STDIN
"""


@pytest.fixture
def before(empty_engine: Engine, tmp_path: Path) -> Engine:
    """A database as the version before left it."""
    for migration in read():
        if migration.file < NAME:
            shutil.copy(MIGRATIONS / migration.file, tmp_path)
    migrate(empty_engine, folder=tmp_path)
    return empty_engine


def write(engine: Engine, *published: bytes) -> list[Any]:
    return ExecutionWriter(engine, threading.Event())([Message(one, {}, "") for one in published])


def write_as_before(engine: Engine, count: int, table: str = "prompt_executions") -> None:
    """A batch of a worker of the version before."""
    ((template,),) = rows(engine, "SELECT id FROM prompt_templates WHERE name = 'nlu_topic_extraction'")
    lines = [
        f"{uuid7()}\t{template}\tnlu_topic_extraction\t1" + "\t\\N" * 4 + "\t{}\t-" + "\t\\N" * 4
        + "\tsuccess\t\\N\t\\N\t[]\t\\N\t2026-11-26 07:00:00+00" + "\t\\N" * 5 + "\n"
        for _ in range(count)
    ]  # fmt: skip
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        cursor.copy_expert(WRITE.format(table=table), io.StringIO("".join(lines)))


def served(engine: Engine, **where: str) -> list[tuple[Any, ...]]:
    condition = " AND ".join(f"{name} = :{name}" for name in where) or "true"
    return rows(
        engine, f"SELECT DISTINCT {', '.join(SERVED)} FROM prompt_executions WHERE {condition}", **where
    )


def test_old_publishers_events_become_rows_without_the_fields(engine: Engine) -> None:
    assert write(engine, *bodies(100)) == [Verdict.WRITTEN] * 100
    assert served(engine) == [(None,) * len(SERVED)]


def test_old_worker_reads_new_events_as_those_of_before() -> None:
    old, new = event(), event(**SERVED)
    new |= {name: old[name] for name in ("event_id", "executed_at")}
    decoded = [msgspec.json.decode(json.dumps(one), type=Before) for one in (old, new)]
    assert decoded[0] == decoded[1]


def test_old_worker_writes_on_a_migrated_database(engine: Engine) -> None:
    """Into the table, and straight into a month as it does; beside a new worker."""
    leaf = scalar(engine, "SELECT partition_name('prompt_executions', date_trunc('month', now())::date)")
    for table in ("prompt_executions", leaf):
        write_as_before(engine, 50, table)
    assert served(engine) == [(None,) * len(SERVED)]
    new = body(**SERVED)
    assert write(engine, new) == [Verdict.WRITTEN]
    (row,) = served(engine, service="tutor")
    assert [str(value) for value in row] == [str(value) for value in SERVED.values()]
    assert scalar(engine, "SELECT count(*) FROM prompt_executions") == 101
    assert recount(engine) == []


def test_new_worker_on_a_database_without_the_columns_says_migrate(before: Engine) -> None:
    with pytest.raises(DeploymentError, match=r"undefined column.*Run 'prompt-worker migrate'"):
        write(before, body())
    assert scalar(before, "SELECT count(*) FROM prompt_executions") == 0
    pending = next(check for check in verify(before) if not check.ok)
    assert NAME in pending.hint
    migrate(before)
    assert write(before, body()) == [Verdict.WRITTEN]


def test_migration_keeps_rows_where_they_are(before: Engine) -> None:
    """No row is written again, in months or in the default partition, and writers of before go on."""
    write_as_before(before, 500)
    rows(
        before,
        "UPDATE prompt_executions SET user_id = 'u' WHERE id = (SELECT max(id::text)::uuid FROM prompt_executions)",
    )
    where = "SELECT tableoid, ctid, xmin::text, id, user_id FROM prompt_executions ORDER BY id"
    placed = rows(before, where)
    migrate(before)
    assert rows(before, where) == placed
    write_as_before(before, 10)
    assert scalar(before, "SELECT count(*) FROM prompt_executions WHERE attempt IS NULL") == 510
    assert [check for check in verify(before) if not check.ok] == []
    assert recount(before) == []


def test_interrupted_migration_goes_on(before: Engine) -> None:
    """The first step is done, and nothing is recorded: workers of before and of now write, and it ends as ever."""
    run_script(before, next(split((MIGRATIONS / NAME).read_text())).sql)
    write_as_before(before, 5)
    assert write(before, body(**SERVED)) == [Verdict.WRITTEN]
    migrate(before)
    assert [check for check in verify(before) if not check.ok] == []


def test_new_months_have_the_columns_and_their_rules(engine: Engine) -> None:
    ((leaf,),) = rows(
        engine, "SELECT partition::text FROM table_partitions('prompt_executions') ORDER BY month LIMIT 1"
    )
    rules = (
        "SELECT count(*) FROM pg_constraint "
        "WHERE conrelid = CAST(:leaf AS regclass) AND contype = 'c' AND convalidated"
    )
    for table in (leaf, "prompt_executions_default", "prompt_executions"):
        assert scalar(engine, rules, leaf=table) == 6, table


def test_roles_that_read_executions_read_the_fields(engine: Engine) -> None:
    write(engine, body(**SERVED))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE prompt_operator")
        found = connection.exec_driver_sql(f"SELECT {', '.join(SERVED)} FROM prompt_executions").all()
    assert len(found) == 1
    for role in ("prompt_reader", "prompt_guardrail_worker", "prompt_execution_worker"):
        assert not scalar(
            engine,
            "SELECT has_column_privilege(:role, 'prompt_executions', 'assignment_unit', 'SELECT')",
            role=role,
        )


def test_guardrail_worker_judges_new_events_as_those_of_before() -> None:
    old = event(model_response="My number is 123-45-6789.")
    bad = {name: {"of": ["another", "kind"]} for name in SERVED}
    received = [receive(Message(json.dumps(old | more).encode(), {}, "")) for more in ({}, SERVED, bad)]
    assert received[0] is not None
    assert received[0] == received[1] == received[2]
