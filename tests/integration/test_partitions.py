"""Months of a partitioned table: made ahead, made late, lost; and an event is stored once wherever its id leads."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import pytest
from queries import rows, run_script, scalar
from sqlalchemy import Engine

from prompt_schema.errors import MigrationError
from prompt_schema.partitions import AHEAD, make_month, make_partitions, months_ahead, partitions
from prompt_schema.statistics import recount
from prompt_schema.verify import verify
from prompt_worker.commands.cli import main
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.uuid7 import uuid7
from tests.support.events import body
from tests.support.timing import LATE

pytestmark = pytest.mark.all_months

NOW = datetime.now(UTC)
THIS_MONTH = f"prompt_executions_{NOW:%Y_%m}"
WHERE = "SELECT tableoid::regclass::text, count(*) FROM prompt_executions GROUP BY 1 ORDER BY 1"


def month(ahead: int) -> date:
    number = NOW.year * 12 + NOW.month - 1 + ahead
    return date(number // 12, number % 12 + 1, 1)


def id_in(ahead: int) -> str:
    """A version 7 id of that month."""
    first = datetime.combine(month(ahead), datetime.min.time(), UTC)
    random = UUID(str(uuid7())).int & ((1 << 80) - 1)
    return str(UUID(int=((int(first.timestamp() * 1000) + 5) << 80) | random))


def writer(engine: Engine) -> ExecutionWriter:
    return ExecutionWriter(engine, threading.Event())


def write(handle: ExecutionWriter, *ids: str, **fields: Any) -> list[object]:
    return list(handle([Message(body(event_id=one, **fields), {}, one) for one in ids]))


def failed(engine: Engine) -> list[str]:
    return [f"{check.name}: {check.hint}" for check in verify(engine) if not check.ok]


def test_a_new_database_has_this_month_and_24_more(engine: Engine) -> None:
    found = partitions(engine)
    assert months_ahead(found) == AHEAD
    assert len(found) == 2 * (AHEAD + 2)
    assert found[0].name == THIS_MONTH
    assert make_partitions(engine) == 0


def test_ids_lead_to_their_month_and_are_stored_once(engine: Engine) -> None:
    handle = writer(engine)
    old, new = str(uuid4()), "ffffffff-0000-4000-8000-000000000001"
    low = "00000000-0000-4000-8000-000000000001"
    ids = [id_in(0), id_in(3), id_in(3), id_in(24), old, new, low]
    assert write(handle, *ids) == [Verdict.WRITTEN] * 7
    assert write(handle, *ids, id_in(1)) == [Verdict.DUPLICATE] * 7 + [Verdict.WRITTEN]
    assert write(writer(engine), *reversed(ids)) == [Verdict.DUPLICATE] * 7
    stored = dict(rows(engine, WHERE))
    assert stored["prompt_executions_default"] == 3
    assert stored[THIS_MONTH] == 1
    assert stored[f"prompt_executions_{month(3):%Y_%m}"] == 2
    assert sum(stored.values()) == 8
    assert recount(engine) == []


def test_usual_batch_goes_past_the_table(engine: Engine) -> None:
    run_script(
        engine,
        "CREATE TABLE fired (name text); CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
        "'BEGIN INSERT INTO public.fired VALUES (TG_TABLE_NAME); RETURN NULL; END';"
        f"CREATE TRIGGER fire AFTER INSERT ON {THIS_MONTH} FOR EACH STATEMENT EXECUTE FUNCTION fire();"
        "CREATE TRIGGER fire AFTER INSERT ON prompt_executions FOR EACH STATEMENT EXECUTE FUNCTION fire()",
    )
    handle = writer(engine)
    write(handle, *[id_in(0) for _ in range(5)])
    assert rows(engine, "SELECT * FROM fired") == [(THIS_MONTH,)]
    write(handle, str(uuid4()))
    assert rows(engine, "SELECT name FROM fired ORDER BY 1") == [("prompt_executions",), (THIS_MONTH,)]


def test_late_month_takes_its_rows_out_of_the_default(engine: Engine) -> None:
    handle = writer(engine)
    ids = [id_in(AHEAD + 1) for _ in range(20)]
    assert write(handle, *ids) == [Verdict.WRITTEN] * 20
    lines: list[str] = []
    assert make_month(engine, month(AHEAD + 1), lines.append) == 2
    assert any("moved 20 rows" in line for line in lines)
    assert rows(engine, WHERE) == [(f"prompt_executions_{month(AHEAD + 1):%Y_%m}", 20)]
    assert write(handle, *ids) == [Verdict.DUPLICATE] * 20
    assert recount(engine) == []
    assert failed(engine) == []


@pytest.mark.parametrize("first_day", [date(1, 1, 1), date(206, 11, 1), date(1969, 12, 1)])
def test_month_before_all_ids_is_refused(engine: Engine, first_day: date) -> None:
    """Made, it would hold ids of the year 10889, which nobody can list afterwards."""
    with pytest.raises(MigrationError, match="no row is of this month"):
        make_month(engine, first_day)
    assert make_partitions(engine) == 0
    assert failed(engine) == []


def test_first_and_last_months_of_all_can_be_made(engine: Engine) -> None:
    assert make_month(engine, date(1970, 1, 1)) == make_month(engine, date(9999, 12, 1)) == 2
    assert {date(1970, 1, 1), date(9999, 12, 1)} < {one.month for one in partitions(engine)}
    assert make_partitions(engine) == 0
    assert failed(engine) == []


def test_default_partition_is_not_read_under_the_lock(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SET client_min_messages = debug1")
        limits = ("prompt_executions", month(AHEAD + 1), month(AHEAD + 2))
        cursor.execute("SELECT public.begin_partitions(%s, %s, %s)", limits)
        cursor.execute("SELECT public.finish_partitions(%s, %s, %s)", limits)
        implied = [
            line
            for line in connection.notices
            if "default" in line and "implied by existing constraints" in line
        ]
        assert len(implied) == 2, connection.notices


def test_events_of_a_month_that_is_being_made_wait(engine: Engine) -> None:
    handle = writer(engine)
    late = month(AHEAD + 1)
    limits = f"'prompt_executions', '{late}', '{late}'"
    rows(engine, f"SELECT begin_partitions({limits})")
    ids = [id_in(AHEAD + 1) for _ in range(3)]
    outcomes: list[object] = []
    waiting = threading.Thread(target=lambda: outcomes.extend(write(handle, *ids)))
    waiting.start()
    assert write(writer(engine), id_in(0), str(uuid4())) == [Verdict.WRITTEN] * 2
    waiting.join(0.5)
    assert waiting.is_alive()
    rows(engine, f"SELECT finish_partitions({limits})")
    waiting.join(30)
    assert outcomes == [Verdict.WRITTEN] * 3
    assert dict(rows(engine, WHERE))[f"prompt_executions_{late:%Y_%m}"] == 3


def test_interrupted_month_is_made_by_the_next_run(engine: Engine) -> None:
    rows(engine, f"SELECT begin_partitions('prompt_executions', '{month(AHEAD + 1)}', '{month(AHEAD + 1)}')")
    assert make_partitions(engine, AHEAD + 1) == 2
    assert months_ahead(partitions(engine)) == AHEAD + 1
    assert failed(engine) == []
    rule = "SELECT count(*) FROM pg_constraint WHERE conname LIKE '%being_made'"
    assert scalar(engine, rule) == 0


def test_two_runs_at_once_make_each_month_once(engine: Engine) -> None:
    with ThreadPoolExecutor(2) as runs:
        made = list(runs.map(lambda ahead: make_partitions(engine, ahead), (AHEAD + 3, AHEAD + 3)))
    assert sum(made) in range(6, 13)
    assert months_ahead(partitions(engine)) == AHEAD + 3
    assert failed(engine) == []


def test_each_month_one_more_is_made(engine: Engine) -> None:
    assert make_partitions(engine, today=month(1)) == 2
    assert months_ahead(partitions(engine), month(1)) == AHEAD


def test_indexes_whose_long_names_begin_alike_are_built_in_each_month(engine: Engine) -> None:
    long = "their_index_of_executions_by_environment_and_response_time_"
    for last in ("a", "b"):
        run_script(engine, f"CREATE INDEX {long}{last} ON ONLY prompt_executions (environment)")
    make_partitions(engine)
    assert scalar(engine, f"SELECT count(*) FROM pg_class WHERE relname LIKE '{long}_'") == 2
    assert rows(engine, f"SELECT indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE '{long}_'") == [
        (True,), (True,)
    ]  # fmt: skip


def test_worker_may_insert_into_a_month_and_read_none(engine: Engine) -> None:
    make_partitions(engine, AHEAD + 1)
    for table, role in (
        ("prompt_executions", "prompt_execution_worker"),
        ("guardrail_evaluations", "prompt_guardrail_worker"),
    ):
        for ahead in (0, AHEAD + 1):
            leaf = f"{table}_{month(ahead):%Y_%m}"
            rights = {
                right
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
                if scalar(engine, f"SELECT has_table_privilege('{role}', '{leaf}', '{right}')")
            }
            assert rights == {"INSERT"}


def test_month_waits_for_a_reader_and_nobody_for_the_month(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg2", "")
    with closing(psycopg2.connect(url)) as reading:
        reading.cursor().execute("SELECT count(*) FROM prompt_executions")
        making = threading.Thread(target=make_partitions, args=(engine, AHEAD + 1))
        making.start()
        handle = writer(engine)
        slowest = 0.0
        for _ in range(8):
            started = datetime.now(UTC)
            assert write(handle, str(uuid4()), id_in(0)) == [Verdict.WRITTEN] * 2
            slowest = max(slowest, (datetime.now(UTC) - started).total_seconds())
        assert slowest < 5 + LATE
    making.join(60)
    assert months_ahead(partitions(engine)) == AHEAD + 1


@pytest.mark.parametrize(
    "lost",
    [
        "ALTER TABLE prompt_executions DETACH PARTITION {leaf}",
        "ALTER TABLE prompt_executions DETACH PARTITION {leaf}; DROP TABLE {leaf}",
        "ALTER TABLE prompt_executions DETACH PARTITION {leaf}; ALTER TABLE {leaf} RENAME TO archived",
    ],
    ids=["detached", "dropped", "renamed"],
)
def test_lost_month_falls_back_to_the_table(engine: Engine, lost: str) -> None:
    handle = writer(engine)
    assert write(handle, id_in(0)) == [Verdict.WRITTEN]
    run_script(engine, lost.format(leaf=THIS_MONTH))
    ids = [id_in(0) for _ in range(3)]
    assert write(handle, *ids) == [Verdict.WRITTEN] * 3
    assert rows(engine, WHERE) == [("prompt_executions_default", 3)]
    assert write(handle, *ids) == [Verdict.DUPLICATE] * 3


def test_month_that_appears_is_found(engine: Engine) -> None:
    """An id that a worker's map has in no month goes to the table, which knows."""
    handle = writer(engine)
    assert write(handle, id_in(0)) == [Verdict.WRITTEN]
    make_partitions(engine, AHEAD + 1)
    assert write(handle, id_in(AHEAD + 1)) == [Verdict.WRITTEN]
    assert dict(rows(engine, WHERE))[f"prompt_executions_{month(AHEAD + 1):%Y_%m}"] == 1


def test_reason_of_a_rejected_event_names_no_month(engine: Engine) -> None:
    (outcome,) = write(writer(engine), id_in(0), user_id="x" * 255, status="success", token_count=2**31 - 1)
    assert outcome is Verdict.WRITTEN
    run_script(engine, "ALTER TABLE prompt_executions ADD CONSTRAINT theirs CHECK (user_id <> 'no')")
    for one in (id_in(0), id_in(2), str(uuid4())):
        (outcome,) = write(writer(engine), one, user_id="no")
        assert outcome.reason == "check violation (23514), constraint theirs, table prompt_executions"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ("DROP TRIGGER trigger_update_template_statistics ON {leaf}", "trigger_update_template_statistics"),
        ("ALTER TABLE {leaf} DISABLE TRIGGER trigger_update_ab_test_statistics", "trigger_update_ab_test"),
        ("DROP TRIGGER trigger_refuse_detached ON {leaf}", "trigger_refuse_detached"),
        ("REVOKE INSERT ON {leaf} FROM prompt_execution_worker", "INSERT for prompt_execution_worker"),
    ],
)
def test_verify_names_a_month_that_lacks_something(engine: Engine, spoil: str, named: str) -> None:
    run_script(engine, spoil.format(leaf=THIS_MONTH))
    (line,) = failed(engine)
    assert f"{THIS_MONTH} lacks {named}" in line


def test_command_makes_and_lists_months(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    assert main(["partitions", "--ahead", "26"]) == 0
    printed = capsys.readouterr()
    assert "26 months ahead" in printed.out
    assert f"prompt_executions: made {month(25):%Y-%m} to {month(26):%Y-%m}" in printed.err
    assert main(["partitions", "--month", f"{month(-1):%Y-%m}", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["month"] for one in listed if one["table"] == "prompt_executions"] == [
        *(f"{month(ahead):%Y-%m}" for ahead in range(-1, 27)),
        None,
    ]


def test_command_without_the_owners_rights_says_so(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    login = f"somebody_{engine.url.database}"
    rows(engine, f"CREATE ROLE {login} LOGIN IN ROLE prompt_operator")
    try:
        monkeypatch.setenv("DATABASE_URL", database.replace("postgres@", f"{login}@", 1))
        assert main(["partitions", "--list"]) == 0
        assert main(["partitions", "--ahead", "30"]) == 1
        assert "as the owner of the tables" in capsys.readouterr().err
    finally:
        rows(engine, f"DROP ROLE {login}")


def test_doctor_reports_months_ahead(
    database: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    main(["doctor"])
    assert "partitions: 24 months ahead" in capsys.readouterr().out
    run_script(
        engine,
        "".join(f"DROP TABLE guardrail_evaluations_{month(ahead):%Y_%m};" for ahead in range(2, AHEAD + 1)),
    )
    main(["doctor"])
    printed = capsys.readouterr().out
    assert "partitions: 1 months ahead" in printed
    assert "prompt-worker partitions" in printed
