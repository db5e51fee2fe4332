"""The write path on a real database: each column as published, each event once, counters exact."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.event.execution import ExecutionEvent
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import SEED_TEMPLATES, bodies, body, event, id_of, with_raw
from tests.support.pipeline import connected


@pytest.fixture
def writer(database: str) -> Iterator[ExecutionWriter]:
    engine = connect(database, application_name="tests")
    yield ExecutionWriter(engine, threading.Event())
    engine.dispose()


def write(writer: ExecutionWriter, *published: bytes) -> list[Outcome]:
    return writer([Message(one, {}, f"ack-{n}") for n, one in enumerate(published)])


def stored(database: str, event_id: str | UUID) -> dict[str, object]:
    with connected(database) as cursor:
        cursor.execute("SELECT * FROM prompt_executions WHERE id = %s", (str(event_id),))
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))


def counters(database: str, template: str = SEED_TEMPLATES[0]) -> tuple[object, ...]:
    with connected(database) as cursor:
        cursor.execute(
            "SELECT total_executions, success_count, failure_count FROM v_template_performance WHERE name = %s",
            (template,),
        )
        found: tuple[object, ...] = cursor.fetchone()
        return found


def test_every_field_reaches_its_column(writer: ExecutionWriter, database: str) -> None:
    with connected(database) as cursor:
        cursor.execute("SELECT id FROM prompt_templates WHERE name = %s", (SEED_TEMPLATES[1],))
        (template_id,) = cursor.fetchone()
    given = event(
        template_name=SEED_TEMPLATES[1],
        template_id=template_id,
        ab_test_group="variant_a",
        user_id="user-1",
        session_id="session-1",
        request_id=str(uuid4()),
        input_variables={"deep": [1, {"a": None}], "text": "x"},
        model_response="An answer.",
        model="model-1",
        provider="provider-1",
        input_tokens=11,
        output_tokens=22,
        token_count=44,
        cost_usd="0.012345",
        execution_time_ms=1234,
        status="failure",
        error_type="Timeout",
        error_message="It took too long.",
        guardrail_action="warn",
        guardrail_violations=[{"guardrail_name": "g", "severity": "low"}],
        executed_at="2026-03-04T05:06:07.891011+05:30",
        environment="production",
        experiment_id=str(uuid4()),
        experiment_phase=3,
        assignment_unit="user-1",
        prompt_source="disk",
        selection="rule:2",
        registry_revision=417,
        language="de-AT",
        content_sha256="0f" * 32,
        attempt=2,
        service="tutor",
    )
    assert write(writer, json.dumps(given).encode()) == [Verdict.WRITTEN]
    row = stored(database, given["event_id"])
    expected = {name: value for name, value in given.items() if name != "event_id"} | {
        "id": given["event_id"],
        "cost_usd": Decimal("0.012345"),
    }
    executed_at = row.pop("executed_at")
    assert isinstance(executed_at, datetime)
    # The column may carry a time zone or hold UTC without one.
    assert executed_at.astimezone(UTC).replace(tzinfo=None) == datetime(2026, 3, 3, 23, 36, 7, 891011)  # noqa: DTZ001
    del expected["executed_at"]
    assert row == expected


def test_absent_field_of_an_event_is_null(writer: ExecutionWriter, database: str) -> None:
    one = body()
    assert write(writer, one) == [Verdict.WRITTEN]
    row = stored(database, id_of(one))
    given = {"template_name", "template_version", "rendered_prompt", "status", "input_variables"}
    assert row.pop("guardrail_violations") == []
    assert {name for name, value in row.items() if value is not None} == given | {
        "id",
        "template_id",
        "executed_at",
    }


def test_explicit_nulls_equal_absent_fields(writer: ExecutionWriter, database: str) -> None:
    optional = [
        "template_id",
        "ab_test_group",
        "user_id",
        "session_id",
        "request_id",
        "model_response",
        "model",
        "provider",
        "input_tokens",
        "output_tokens",
        "token_count",
        "cost_usd",
        "execution_time_ms",
        "error_type",
        "error_message",
        "guardrail_action",
        "guardrail_violations",
        "environment",
        "experiment_id",
        "experiment_phase",
        "assignment_unit",
        "prompt_source",
        "selection",
        "registry_revision",
        "language",
        "content_sha256",
        "attempt",
        "service",
    ]
    assert {*optional, *event()} == set(ExecutionEvent.__struct_fields__)
    absent, null = body(), body(**dict.fromkeys(optional))
    assert write(writer, absent, null) == [Verdict.WRITTEN] * 2
    rows = [stored(database, id_of(one)) for one in (absent, null)]
    for row in rows:
        del row["id"], row["executed_at"]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0", "0.000000"),
        ("9999.999999", "9999.999999"),
        ("9999.99999949999999999999999999999999999999", "9999.999999"),
        ("0.0000005", "0.000001"),
        ("1E-30", "0.000000"),
        ("0.1", "0.100000"),
        ("1234.5", "1234.500000"),
        ("10", "10.000000"),
    ],
)
def test_cost_is_stored_as_postgresql_would_write_it(
    writer: ExecutionWriter, database: str, given: str, kept: str
) -> None:
    text, number = body(cost_usd=given), with_raw("cost_usd", given.encode())
    assert write(writer, text, number) == [Verdict.WRITTEN] * 2
    with connected(database) as cursor:
        cursor.execute("SELECT cost_usd::text, cost_usd = %s::numeric(10, 6) FROM prompt_executions", (kept,))
        # Compared as numbers too: an unnormalised one would print well and compare wrong.
        assert cursor.fetchall() == [(kept, True)] * 2


def test_the_longest_texts_in_any_script_fit(writer: ExecutionWriter, database: str) -> None:
    one = body(
        user_id="\N{GRINNING FACE}" * 255,
        session_id="ש" * 255,
        ab_test_group="é" * 50,
        environment="漢" * 50,
        error_type="\N{GRINNING FACE}" * 100,
        model="ß" * 100,
        assignment_unit="\N{GRINNING FACE}" * 16,
        selection="漢" * 50,
        language="é" * 35,
        service="\N{GRINNING FACE}" * 100,
        model_response="",
        error_message="",
    )
    assert write(writer, one) == [Verdict.WRITTEN]
    row = stored(database, id_of(one))
    for name, value in json.loads(one).items():
        if isinstance(value, str) and name not in ("event_id", "executed_at"):
            assert row[name] == value


def test_the_largest_numbers_fit(writer: ExecutionWriter, database: str) -> None:
    largest = 2**31 - 1
    one = body(
        input_tokens=largest,
        output_tokens=largest,
        token_count=largest,
        execution_time_ms=largest,
        experiment_phase=largest,
        attempt=largest,
        registry_revision=2**63 - 1,
    )
    assert write(writer, one) == [Verdict.WRITTEN]
    row = stored(database, id_of(one))
    assert (
        row["input_tokens"]
        == row["output_tokens"]
        == row["token_count"]
        == row["execution_time_ms"]
        == row["experiment_phase"]
        == row["attempt"]
        == largest
    )
    assert row["registry_revision"] == 2**63 - 1


@pytest.mark.parametrize("unit", ["u" * 65, "u" * 255, "é" * 33, "\N{GRINNING FACE}" * 255])
def test_long_unit_of_any_publisher_is_stored_as_its_hash(
    writer: ExecutionWriter, database: str, unit: str
) -> None:
    one = body(assignment_unit=unit)
    assert write(writer, one) == [Verdict.WRITTEN]
    with connected(database) as cursor:
        cursor.execute(
            "SELECT 'sha256:' || left(encode(sha256(convert_to(%s, 'UTF8')), 'hex'), 32) = assignment_unit "
            "FROM prompt_executions",
            (unit,),
        )
        assert cursor.fetchall() == [(True,)]


def test_template_is_found_by_id_and_by_name_and_version(writer: ExecutionWriter, database: str) -> None:
    with connected(database) as cursor:
        cursor.execute(
            "INSERT INTO prompt_templates (name, template_text, version) VALUES ('ours', 'x', 1), ('ours', 'x', 2)"
            " RETURNING id"
        )
        first, second = (found for (found,) in cursor.fetchall())
    by_name = body(template_name="ours", template_version=2)
    by_id = body(template_name="ours", template_version=1, template_id=first)
    assert write(writer, by_name, by_id) == [Verdict.WRITTEN] * 2
    assert stored(database, id_of(by_name))["template_id"] == second
    assert stored(database, id_of(by_id))["template_id"] == first


def test_template_made_after_its_first_event_is_found(writer: ExecutionWriter, database: str) -> None:
    early, late = body(template_name="new"), body(template_name="new")
    assert isinstance(write(writer, early)[0], Rejected)
    with connected(database) as cursor:
        cursor.execute("INSERT INTO prompt_templates (name, template_text) VALUES ('new', 'x')")
    assert write(writer, late) == [Verdict.WRITTEN]


def test_duplicate_within_a_batch_is_one_row(writer: ExecutionWriter, database: str) -> None:
    one, other = body(), body()
    assert write(writer, one, other, one, one) == [
        Verdict.WRITTEN,
        Verdict.WRITTEN,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]
    assert counters(database) == (2, 2, 0)


def test_duplicates_across_batches_are_one_row(writer: ExecutionWriter, database: str) -> None:
    first = [body() for _ in range(100)]
    new = [body() for _ in range(50)]
    assert write(writer, *first) == [Verdict.WRITTEN] * 100
    assert write(writer, *first[50:], *new) == [Verdict.DUPLICATE] * 50 + [Verdict.WRITTEN] * 50
    assert write(writer, *first, *new) == [Verdict.DUPLICATE] * 150
    assert counters(database) == (150, 150, 0)


def test_duplicate_of_a_rejected_event_is_rejected_too(writer: ExecutionWriter) -> None:
    bad = body(template_name="nobody-knows")
    assert [type(outcome) for outcome in write(writer, bad, bad)] == [Rejected, Rejected]


def test_writers_that_hold_the_same_events_write_each_once(database: str) -> None:
    """Four at a time, each with another order and other batches: the worst case of redelivery."""
    published = bodies(2000)
    counts: Counter[Outcome] = Counter()
    engines = [connect(database, application_name=f"tests {n}") for n in range(4)]

    def consume(number: int) -> None:
        order = random.Random(number).sample(published, len(published))
        writer = ExecutionWriter(engines[number], threading.Event())
        for start in range(0, len(order), 250):
            counts.update(write(writer, *order[start : start + 250]))

    threads = [threading.Thread(target=consume, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert counts == {Verdict.WRITTEN: 2000, Verdict.DUPLICATE: 6000}
    with connected(database) as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM prompt_executions), sum(total_executions) FROM v_template_statistics"
        )
        assert cursor.fetchone() == (2000, 2000)


def test_every_connection_has_limits_and_a_name(database: str) -> None:
    engine = connect(database, application_name="prompt-worker tests")
    assert shown(engine.raw_connection()) == ["30s", "3s", "prompt-worker tests", "UTC"]
    engine.dispose()


def test_connection_limits_apply_on_sockets_and_options_override(postgres: object, database: str) -> None:
    url = postgres.socket_url.replace("/postgres?", f"/{database.rsplit('/', 1)[1]}?")  # type: ignore[attr-defined]
    for added, lock_timeout in (("", "3s"), ("&options=-c%20lock_timeout%3D7s", "7s")):
        engine = connect(url + added, application_name="prompt-worker tests", statement_timeout_ms=1000)
        assert shown(engine.raw_connection()) == ["1s", lock_timeout, "prompt-worker tests", "UTC"]
        engine.dispose()


def test_missing_table_says_what_to_do(empty_database: str) -> None:
    engine = connect(empty_database, application_name="tests")
    with pytest.raises(DeploymentError, match="prompt-worker migrate"):
        write(ExecutionWriter(engine, threading.Event()), body())
    engine.dispose()


def shown(connection: object) -> list[str]:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    values = []
    for name in ("statement_timeout", "lock_timeout", "application_name", "timezone"):
        cursor.execute(f"SHOW {name}")
        values.append(cursor.fetchone()[0])
    return values
