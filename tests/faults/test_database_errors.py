"""An error of the database is judged by evidence: the event's, the server's, or shown by whether other events pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies, body, id_of
from tests.support.pipeline import Pipeline, connected
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only

# What a user's own trigger may do to one event, or to all.
TRIGGER = """
CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF {condition} THEN {action}; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER theirs BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION theirs();
"""
THIS_MONTH = f"prompt_executions_{datetime.now(UTC):%Y_%m}"
POISON = "NEW.user_id = 'poison'"


def make_trigger(
    database: str, action: str, condition: str = POISON, table: str = "prompt_executions"
) -> None:
    with connected(database) as cursor:
        cursor.execute(TRIGGER.format(condition=condition, action=action, table=table))


@contextmanager
def writing(
    database: str, *, seconds: float = 20, statement_timeout_ms: int = 30_000
) -> Iterator[ExecutionWriter]:
    """A writer that hands back what it could not settle in `seconds`."""
    engine = connect(database, application_name="tests", statement_timeout_ms=statement_timeout_ms)
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    yield ExecutionWriter(engine, stop)
    timer.cancel()
    engine.dispose()


def write(writer: ExecutionWriter, *published: bytes) -> list[Outcome]:
    return writer([Message(one, {}, f"ack-{n}") for n, one in enumerate(published)])


def rows(database: str) -> int:
    with connected(database) as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM prompt_executions), sum(total_executions) FROM v_template_statistics"
        )
        stored, counted = cursor.fetchone()
    assert stored == counted
    return int(stored)


def test_second_unique_index_rejects_only_its_event(database: str) -> None:
    with connected(database) as cursor:
        cursor.execute(f"CREATE UNIQUE INDEX theirs ON {THIS_MONTH} (request_id)")
    request_id = str(uuid4())
    with writing(database) as writer:
        first = body(request_id=request_id)
        assert write(writer, first) == [Verdict.WRITTEN]
        outcomes = write(writer, *bodies(3), body(request_id=request_id), first, *bodies(2, seed=1))
    refused = outcomes.pop(3)
    assert outcomes == [Verdict.WRITTEN] * 3 + [Verdict.DUPLICATE] + [Verdict.WRITTEN] * 2
    assert refused == Rejected(
        "refused_by_database",
        "unique violation (23505), constraint theirs, table prompt_executions",
    )
    assert rows(database) == 6


def test_primary_key_of_any_name_recognises_duplicates(database: str) -> None:
    with connected(database) as cursor:
        cursor.execute(f"ALTER INDEX {THIS_MONTH}_pkey RENAME TO theirs")
        cursor.execute(f"CREATE UNIQUE INDEX {THIS_MONTH}_pkey ON {THIS_MONTH} (request_id)")
    request_id = str(uuid4())
    one, other = body(request_id=request_id), body(request_id=request_id)
    with writing(database) as writer:
        assert write(writer, one) == [Verdict.WRITTEN]
        assert write(writer, one) == [Verdict.DUPLICATE]
        assert isinstance(write(writer, other)[0], Rejected)


def test_key_of_a_partition_recognises_duplicates(database: str) -> None:
    with connected(database) as cursor:
        cursor.execute(
            "CREATE TABLE parts (LIKE prompt_executions INCLUDING DEFAULTS) PARTITION BY RANGE (id);"
            "ALTER TABLE parts ADD PRIMARY KEY (id);"
            "CREATE TABLE their_part PARTITION OF parts DEFAULT;"
            "ALTER TABLE prompt_executions RENAME TO whole; ALTER TABLE parts RENAME TO prompt_executions;"
        )
    one = body()
    with writing(database) as writer:
        assert write(writer, one) == [Verdict.WRITTEN]
        assert write(writer, one, body()) == [Verdict.DUPLICATE, Verdict.WRITTEN]


@pytest.mark.parametrize(
    ("action", "sqlstate"),
    [
        ("RAISE EXCEPTION 'no'", "P0001"),
        # In a trigger even an overflow is not about the event.
        ("PERFORM 2147483647 + length(NEW.user_id)", "22003"),
        ("RAISE SQLSTATE 'XX000'", "XX000"),
        ("INSERT INTO schema_migrations (version) VALUES ('seeds')", "23505"),
    ],
)
def test_unknown_error_of_one_event_is_its_dead_letter(database: str, action: str, sqlstate: str) -> None:
    make_trigger(database, action)
    published = bodies(40)
    published[17] = published[23] = poison = body(user_id="poison")
    with writing(database) as writer:
        outcomes = write(writer, *published)
    refused = outcomes.pop(17)
    assert outcomes.pop(22) == refused
    assert isinstance(refused, Rejected)
    assert refused.error_class == "unknown_error"
    assert f"({sqlstate})" in refused.reason
    assert outcomes == [Verdict.WRITTEN] * 38
    assert rows(database) == 38
    assert str(id_of(poison)) not in refused.reason


def test_event_that_times_out_holds_no_neighbour(database: str) -> None:
    make_trigger(database, "PERFORM pg_sleep(60)")
    published = [*bodies(20), body(user_id="poison"), *bodies(20, seed=1)]
    with writing(database, seconds=30, statement_timeout_ms=300) as writer:
        outcomes = write(writer, *published)
    refused = outcomes.pop(20)
    assert isinstance(refused, Rejected)
    assert (refused.error_class, "57014" in refused.reason) == ("unknown_error", True)
    assert outcomes == [Verdict.WRITTEN] * 40


def test_event_alone_waits_until_another_one_passes(database: str) -> None:
    make_trigger(database, "RAISE EXCEPTION 'no'")
    poison = body(user_id="poison")
    with writing(database) as writer:
        assert write(writer, poison) == [Verdict.RETRY]
        assert write(writer, poison) == [Verdict.RETRY]
        assert write(writer, *bodies(5)) == [Verdict.WRITTEN] * 5
        refused = write(writer, poison)[0]
    assert isinstance(refused, Rejected)
    assert refused.error_class == "unknown_error"


# A worker that loses patience early.
IMPATIENT = """
import sys
import prompt_worker.platform.postgres.halving
prompt_worker.platform.postgres.halving.PATIENCE = 3.0
sys.argv = ["prompt-worker", "run", "executions"]
from prompt_worker.commands.cli import main
sys.exit(main())
"""


def test_worker_whose_every_batch_fails_ends_with_advice(pipeline: Pipeline) -> None:
    make_trigger(pipeline.database, "RAISE EXCEPTION 'no'", "true")
    published = bodies(50)
    pipeline.publish(published)
    with pipeline.worker_program(IMPATIENT) as worker:
        assert worker.wait() == 69
        assert "failed every batch for 3 s: raise exception (P0001)" in worker.output
        assert "Traceback" not in worker.output
    assert pipeline.dead_letters(0) == []
    pipeline.query("DROP FUNCTION theirs CASCADE")
    with pipeline.worker():
        pipeline.wait_for_rows(50)
    pipeline.assert_exact(published)


@pytest.mark.parametrize("lanes", ["1", "3"])
def test_poison_beside_a_stream_is_one_dead_letter(pipeline: Pipeline, lanes: str) -> None:
    make_trigger(pipeline.database, "RAISE EXCEPTION 'no'")
    poison = body(user_id="poison")
    pipeline.publish([poison])
    with pipeline.worker(PROMPT_WORKER_LANES=lanes) as worker:
        published = stream(pipeline, worker)
        letters = pipeline.dead_letters(1)
        assert worker.terminate()[0] == 0
    assert [letter.data for letter in letters] == [poison]
    assert letters[0].attributes["dead-letter-error-class"] == "unknown_error"
    pipeline.assert_exact([*published, poison], letters)


def stream(pipeline: Pipeline, worker: WorkerProcess) -> list[bytes]:
    """Publishes small batches until one event is dead-lettered."""
    published: list[bytes] = []
    deadline = time.monotonic() + 60
    while not worker.totals.get("dead-lettered") and time.monotonic() < deadline:
        published += bodies(10, seed=len(published))
        pipeline.publish(published[-10:])
        time.sleep(0.5)
    pipeline.wait_for_rows(len(published))
    return published


def test_poisoned_dead_letter_holds_no_other(pipeline: Pipeline) -> None:
    make_trigger(
        pipeline.database, "RAISE EXCEPTION 'no'", "NEW.reason = 'poison'", table="dead_letter_events"
    )
    topic = pipeline.topology.names.dead_letter_topic
    for reason in ("first", "poison", "last"):
        attributes = {"dead-letter-error-class": "test", "dead-letter-reason": reason}
        pipeline.publish_messages([PubsubMessage(data=body(), attributes=attributes)], topic)
    with pipeline.command("run", "dead-letters") as worker:
        worker.wait_for(lambda w: any("cannot be stored" in m for m in w.messages("ERROR")))
        worker.wait_for(lambda w: pipeline.query("SELECT count(*) FROM dead_letter_events") == [(2,)])


def test_poisoned_evaluation_is_one_dead_letter(pipeline: Pipeline) -> None:
    poison = body()
    condition = f"NEW.event_id = '{id_of(poison)}'"
    make_trigger(pipeline.database, "RAISE EXCEPTION 'no'", condition, table="guardrail_evaluations")
    pipeline.publish([*bodies(10), poison, *bodies(10, seed=1)])
    with pipeline.guardrail_worker() as worker:
        pipeline.wait_for_evaluations(20)
        worker.wait_for(lambda w: w.totals.get("dead-lettered") or pipeline.publish(bodies(1)))
    assert [letter.data for letter in pipeline.dead_letters(1)] == [poison]
