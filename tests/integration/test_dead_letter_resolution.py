"""A dead letter whose event is a row is resolved automatically, in whatever order the two were written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.executions.writer import ExecutionWriter
from tests.support.deadletters import GUARDRAILS, Letters, letter, made
from tests.support.events import body, id_of
from tests.support.pipeline import wait_until

EXECUTE = (
    "INSERT INTO prompt_executions (id, template_id, template_name, template_version, input_variables, "
    "rendered_prompt, status) SELECT %s, id, name, version, '{}', '-', 'success' FROM prompt_templates LIMIT 1"
)
EVALUATE = (
    "INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms) "
    "VALUES (%s, '{}', 'allow', '-', 0)"
)
BY_CONSUMER = {"executions": (EXECUTE, made()), "guardrails": (EVALUATE, made(source=GUARDRAILS))}


@pytest.fixture
def letters(database: str) -> Iterator[Letters]:
    opened = Letters(database)
    yield opened
    opened.close()


def sweep(letters: Letters) -> int:
    return int(letters.query("SELECT resolve_dead_letters()")[0][0])


@pytest.mark.parametrize("consumer", BY_CONSUMER)
@pytest.mark.parametrize("status", ["pending", "replayed", "discarded"])
def test_dead_letter_is_resolved_by_a_later_row(letters: Letters, consumer: str, status: str) -> None:
    write, attributes = BY_CONSUMER[consumer]
    encoded = body()
    letters.handle(letter(encoded, attributes), letter(body(), attributes))
    letters.query("UPDATE dead_letter_events SET status = %s", status)
    letters.query(write, str(id_of(encoded)))
    assert {row.event_id: row.status == "resolved" for row in letters.rows()}[id_of(encoded)]
    assert sorted(letters.statuses()) == sorted(["resolved", status])


@pytest.mark.parametrize("consumer", BY_CONSUMER)
def test_dead_letter_stored_after_its_row_is_resolved(letters: Letters, consumer: str) -> None:
    write, attributes = BY_CONSUMER[consumer]
    encoded = body()
    letters.query(write, str(id_of(encoded)))
    letters.handle(letter(encoded, attributes))
    assert letters.statuses() == ["resolved"]


@pytest.mark.parametrize("consumer", BY_CONSUMER)
def test_row_of_the_other_worker_resolves_nothing(letters: Letters, consumer: str) -> None:
    write, _ = BY_CONSUMER[consumer]
    (attributes,) = [theirs for name, (_, theirs) in BY_CONSUMER.items() if name != consumer]
    before, after = body(), body()
    letters.query(write, str(id_of(before)))
    letters.handle(letter(before, attributes), letter(after, attributes))
    letters.query(write, str(id_of(after)))
    assert sweep(letters) == 0
    assert letters.statuses() == ["pending", "pending"]


@pytest.mark.parametrize("consumer", BY_CONSUMER)
def test_sweep_resolves_what_was_written_concurrently(letters: Letters, consumer: str) -> None:
    """The row is not committed when the dead letter is stored, and its trigger saw no dead letter."""
    write, attributes = BY_CONSUMER[consumer]
    encoded = body()
    with letters.transaction() as writing:
        writing.execute(write, (str(id_of(encoded)),))
        letters.handle(letter(encoded, attributes))
        assert sweep(letters) == 0
    assert letters.statuses() == ["pending"]
    assert sweep(letters) == 1
    assert letters.statuses() == ["resolved"]
    assert sweep(letters) == 0


def test_sweep_covers_the_minute_before_the_last_sweep(letters: Letters) -> None:
    encoded = body()
    letters.handle(letter(encoded))
    letters.query("ALTER TABLE prompt_executions DISABLE TRIGGER trigger_resolve_executed_dead_letters")
    letters.query(EXECUTE, str(id_of(encoded)))
    letters.query("UPDATE dead_letter_events SET changed_at = now() - interval '50 s'")
    letters.query("UPDATE dead_letter_sweep SET swept_at = now()")
    assert sweep(letters) == 1


def test_concurrent_sweeps_do_not_wait_for_each_other(letters: Letters) -> None:
    with letters.transaction() as sweeping:
        sweeping.execute("SELECT resolve_dead_letters()")
        assert sweep(letters) == 0


def test_corrected_original_is_not_resolved_by_its_copy(letters: Letters) -> None:
    encoded = body()
    letters.handle(letter(encoded))
    letters.query("UPDATE dead_letter_events SET status = 'discarded', superseded_by = uuid_v7()")
    letters.query(EXECUTE, str(id_of(encoded)))
    assert sweep(letters) == 0
    assert letters.statuses() == ["discarded"]


def test_letter_discarded_beside_its_row_keeps_its_reason(letters: Letters) -> None:
    encoded = body()
    with letters.transaction() as writing:
        writing.execute(EXECUTE, (str(id_of(encoded)),))
        letters.handle(letter(encoded))
        letters.query(
            "UPDATE dead_letter_events SET status = 'discarded', discard_reason = 'old', changed_at = now()"
        )
    assert sweep(letters) == 1
    assert letters.query("SELECT status, discard_reason FROM dead_letter_events") == [("resolved", "old")]


def test_resolved_dead_letter_stays_so_when_it_fails_again(letters: Letters) -> None:
    encoded = body()
    letters.handle(letter(encoded))
    letters.query(EXECUTE, str(id_of(encoded)))
    assert letters.handle(letter(encoded)) == [Verdict.WRITTEN]
    assert [(row.status, row.times_seen) for row in letters.rows()] == [("resolved", 2)]


def test_execution_worker_resolves_a_whole_batch(letters: Letters) -> None:
    good = [body() for _ in range(300)]
    letters.handle(*[letter(one) for one in good[:200]])
    writer = ExecutionWriter(letters.engine, letters.stop)
    assert writer([Message(one, {}, "a") for one in good]) == [Verdict.WRITTEN] * 300
    assert letters.statuses() == ["resolved"] * 200


def test_writer_and_store_of_equal_events_do_not_deadlock(letters: Letters) -> None:
    good = [body() for _ in range(400)]
    writer = ExecutionWriter(letters.engine, letters.stop)
    with ThreadPoolExecutor(4) as pool:
        done = [
            pool.submit(action, [make(one) for one in good[start : start + 100]])
            for start in range(0, 400, 100)
            for action, make in (
                (writer, lambda one: Message(one, {}, "a")),
                (letters.store, letter),
                (letters.store, letter),
            )
        ]
        outcomes = {outcome for each in done for outcome in each.result(60)}
    assert outcomes == {Verdict.WRITTEN}
    sweep(letters)
    assert letters.statuses() == ["resolved"] * 400


def test_locked_dead_letter_is_resolved_once_it_is_released(letters: Letters) -> None:
    encoded = body()
    letters.handle(letter(encoded))
    holding = psycopg2.connect(letters.engine.url.render_as_string(False).replace("+psycopg2", ""))
    holding.cursor().execute("SELECT FROM dead_letter_events FOR UPDATE")
    writer = ExecutionWriter(letters.engine, letters.stop)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(writer, [Message(encoded, {}, "a")])
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        wait_until(lambda: letters.query(waiting) != [(0,)], 60, lambda: "the writer does not wait")
        holding.rollback()
        assert written.result(30) == [Verdict.WRITTEN]
    holding.close()
    assert letters.statuses() == ["resolved"]


READ = """
    SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
    WHERE relname = 'dead_letter_events'
"""
FILL = """
    INSERT INTO dead_letter_events
    SELECT (jsonb_populate_record(d, jsonb_build_object(
        'id', gen_random_uuid(), 'event_id', made, 'event_key', made
    ))).* FROM dead_letter_events d, generate_series(1, 20000) number, md5(number::text) made
"""


BATCH = {
    "executions": """
        INSERT INTO prompt_executions
            (id, template_id, template_name, template_version, input_variables, rendered_prompt, status)
        SELECT gen_random_uuid(), id, name, version, '{}', '-', 'success' FROM prompt_templates, generate_series(1, 500)
    """,
    "guardrails": """
        INSERT INTO guardrail_evaluations (event_id, guardrail_ids, outcome, detector_version, evaluation_ms)
        SELECT gen_random_uuid(), '{}', 'allow', '-', 0 FROM generate_series(1, 1500)
    """,
}


@pytest.mark.parametrize("consumer", BATCH)
def test_batch_reads_no_discarded_letters_without_statistics(letters: Letters, consumer: str) -> None:
    letters.handle(letter(body(), BY_CONSUMER[consumer][1]))
    letters.query("UPDATE dead_letter_events SET status = 'discarded'")
    letters.query("ALTER TABLE dead_letter_events SET (autovacuum_enabled = false)")
    letters.query(FILL)
    with letters.transaction() as cursor:
        cursor.execute(BATCH[consumer])
        cursor.execute(READ)
        assert cursor.fetchone()[0] < 10
