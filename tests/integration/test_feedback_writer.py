"""Feedback on a real database: each column as published, each event once, the last of a source counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome, Rejected, Verdict
from prompt_worker.event.feedback import EVENT_TYPE
from prompt_worker.feedback.writer import FeedbackWriter
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import body, id_of
from tests.support.feedback import feedback, feedback_body
from tests.support.pipeline import connected

AT = datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)


@pytest.fixture
def writer(database: str) -> Iterator[FeedbackWriter]:
    engine = connect(database, application_name="tests")
    yield FeedbackWriter(engine, threading.Event())
    engine.dispose()


def write(writer: FeedbackWriter, *published: bytes, **attributes: str) -> list[Outcome]:
    return writer([Message(one, attributes, f"ack-{n}") for n, one in enumerate(published)])


def rows(database: str, query: str = "SELECT * FROM prompt_feedback") -> list[tuple[Any, ...]]:
    with connected(database) as cursor:
        cursor.execute(query)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def test_every_field_reaches_its_column(writer: FeedbackWriter, database: str) -> None:
    given = feedback(
        value=-0.1234565, name="ключ\t\\N", source='judge "1"', at="2026-03-04T10:36:07.891011+05:30"
    )
    assert write(writer, feedback_body(**given)) == [Verdict.WRITTEN]
    (row,) = rows(
        database, "SELECT event_id::text, request_id::text, name, source, value, at FROM prompt_feedback"
    )
    assert row == (
        given["event_id"],
        given["request_id"],
        given["name"],
        given["source"],
        Decimal("-0.123457"),
        AT,
    )


def test_value_is_kept_to_six_places(writer: FeedbackWriter, database: str) -> None:
    values = [0, 1, -1, 0.5, True, False, 1e-7, -0.0, 0.999999, 0.9999999, -0.9999999, 0.0000005, 1 / 3]
    bodies = [feedback_body(value=value) for value in values]
    assert set(write(writer, *bodies)) == {Verdict.WRITTEN}
    found = {
        str(event_id): value
        for event_id, value in rows(database, "SELECT event_id, value FROM prompt_feedback")
    }
    rounded = [Decimal(repr(float(value))).quantize(Decimal("0.000001"), ROUND_HALF_UP) for value in values]
    assert [found[str(id_of(one))] for one in bodies] == rounded


def test_one_bad_event_costs_its_neighbours_nothing(writer: FeedbackWriter, database: str) -> None:
    bad = [
        feedback_body(value=2),
        b"\xff",
        b"{",
        body(),
        feedback_body(name="n" * 51),
        feedback_body(at="now"),
    ]
    outcomes = write(
        writer, *[feedback_body() for _ in range(50)], *bad, *[feedback_body() for _ in range(50)]
    )
    assert [each for each in outcomes if isinstance(each, Rejected)] == outcomes[50:56]
    assert {each.error_class for each in outcomes[50:56]} == {"invalid_field", "invalid_utf8", "invalid_json"}
    assert len(rows(database)) == 100
    (other,) = write(writer, feedback_body(), **{"ce-type": "prompt.execution.v1"})
    assert other == Rejected(
        "wrong_event_type", f"ce-type is not {EVENT_TYPE}, the version this worker reads"
    )


def test_event_that_comes_again_is_a_duplicate(writer: FeedbackWriter, database: str) -> None:
    events = [feedback_body() for _ in range(20)]
    assert set(write(writer, *events)) == {Verdict.WRITTEN}
    # Again beside new ones; again and again; twice in one batch.
    more = [feedback_body() for _ in range(20)]
    assert write(writer, *events, *more) == [Verdict.DUPLICATE] * 20 + [Verdict.WRITTEN] * 20
    assert set(write(writer, *more, *events)) == {Verdict.DUPLICATE}
    twice = feedback_body()
    assert write(writer, twice, twice) == [Verdict.WRITTEN, Verdict.DUPLICATE]
    assert len(rows(database)) == 41


def test_other_body_under_a_stored_id_changes_nothing(writer: FeedbackWriter, database: str) -> None:
    first = feedback_body(value=1)
    write(writer, first)
    assert write(writer, feedback_body(value=-1, event_id=str(id_of(first)))) == [Verdict.DUPLICATE]
    assert rows(database, "SELECT value FROM prompt_feedback") == [(1,)]


def test_last_of_each_source_counts_in_any_order(writer: FeedbackWriter, database: str) -> None:
    requests = [str(uuid4()) for _ in range(5)]
    random = Random(3)
    events = [
        feedback(
            request_id=random.choice(requests),
            name=random.choice(["helpful", "clear"]),
            source=random.choice(["user", "judge"]),
            value=random.choice([-1, 0, 0.5, 1]),
            # Some at the same moment: then the later id.
            at=(AT + timedelta(seconds=random.randrange(8))).isoformat(),
        )
        for _ in range(200)
    ]
    last: dict[tuple[str, ...], dict[str, Any]] = {}
    for event in sorted(events, key=lambda event: (event["at"], event["event_id"])):
        last[event["request_id"], event["name"], event["source"]] = event
    expected = sorted((*key, event["event_id"], event["value"]) for key, event in last.items())
    bodies = [feedback_body(**event) for event in events]
    for _ in range(3):
        random.shuffle(bodies)
        for start in range(0, len(bodies), 50):
            write(writer, *bodies[start : start + 50])
        found = rows(
            database, "SELECT request_id::text, name, source, event_id::text, value FROM v_prompt_feedback"
        )
        assert sorted((*row[:4], float(row[4])) for row in found) == expected
    assert len(rows(database)) == 200


def test_two_workers_with_the_same_events_write_each_once(database: str) -> None:
    bodies = [feedback_body() for _ in range(1_000)]
    engine = connect(database, application_name="tests", pool_size=4)
    writers = [FeedbackWriter(engine, threading.Event()) for _ in range(2)]
    with ThreadPoolExecutor(2) as together:
        outcomes = [*together.map(lambda each: write(each, *bodies), writers)]
    engine.dispose()
    assert sum(each.count(Verdict.WRITTEN) for each in outcomes) == 1_000
    assert sum(each.count(Verdict.DUPLICATE) for each in outcomes) == 1_000
    assert {UUID(str(row[0])) for row in rows(database)} == {id_of(one) for one in bodies}


def test_rule_of_an_owner_rejects_its_own_events_alone(writer: FeedbackWriter, database: str) -> None:
    with connected(database) as cursor:
        cursor.execute("ALTER TABLE prompt_feedback ADD CONSTRAINT no_jokes CHECK (name <> 'funny')")
    outcomes = write(writer, *[feedback_body(name="funny" if n == 7 else "helpful") for n in range(20)])
    assert outcomes.count(Verdict.WRITTEN) == 19
    assert isinstance(outcomes[7], Rejected)
    assert "no_jokes" in outcomes[7].reason


def test_missing_table_ends_the_worker_with_advice(writer: FeedbackWriter, database: str) -> None:
    with connected(database) as cursor:
        cursor.execute("DROP TABLE prompt_feedback CASCADE")
    with pytest.raises(DeploymentError, match="prompt-worker migrate"):
        write(writer, feedback_body())
