"""Dead letters are stored once each with their bytes, and counted again only when another message of them fails."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from prompt_worker.consuming.outcome import Verdict
from tests.support.deadletters import GUARDRAILS, PUBLISHED, WRITER, Letters, forwarded, letter, made
from tests.support.events import body, id_of
from tests.support.pipeline import wait_until

OTHER = made(error_class="invalid_field", reason="another one")


@pytest.fixture
def letters(database: str) -> Iterator[Letters]:
    opened = Letters(database)
    yield opened
    opened.close()


def test_dead_letter_is_stored_with_its_bytes_unchanged(letters: Letters) -> None:
    encoded = body(template_name="t", template_version=3, environment="staging")
    attributes = made(message_id="17") | {"ce-type": "prompt.execution.v1", "own": "é"}
    assert letters.handle(letter(encoded, attributes)) == [Verdict.WRITTEN]
    (row,) = letters.rows()
    assert (row.consumer, row.source, row.subscription) == ("executions", "worker", WRITER)
    assert (row.event_id, row.event_key) == (id_of(encoded), id_of(encoded))
    assert (row.error_class, row.reason) == ("unknown_template", "no template t version 3")
    assert (row.template_name, row.template_version, row.environment) == ("t", 3, "staging")
    assert (row.payload, row.attributes, row.occurrences) == (
        encoded,
        attributes,
        ["17 of 2026-05-06T07:00:00+00:00"],
    )
    assert row.first_seen == datetime(2026, 5, 6, 7, tzinfo=UTC)
    assert row.last_seen == datetime(2026, 5, 6, 7, 8, tzinfo=UTC)
    assert (row.times_seen, row.status, row.replay_count, row.delivery_attempts) == (1, "pending", 0, None)


def test_forwarded_dead_letter_has_its_delivery_attempts(letters: Letters) -> None:
    letters.handle(letter(body(), forwarded(GUARDRAILS, DeliveryCount="7")))
    (row,) = letters.rows()
    assert (row.consumer, row.source, row.subscription) == ("guardrails", "pubsub", GUARDRAILS)
    assert (row.delivery_attempts, row.error_class) == (7, "delivery_attempts")
    assert "7 delivery attempts" in row.reason
    assert (row.first_seen.day, row.last_seen) == (6, PUBLISHED)


def test_redelivery_changes_nothing(letters: Letters) -> None:
    some = [letter(body()), letter(b"not JSON"), letter(body(), forwarded())]
    assert letters.handle(*some) == [Verdict.WRITTEN] * 3
    before = letters.rows()
    assert letters.handle(*some, *some) == [Verdict.DUPLICATE] * 6
    assert letters.rows() == before


def test_message_dead_lettered_twice_is_counted_once(letters: Letters) -> None:
    """By Pub/Sub, which may forward twice, or by a worker killed before it acknowledged: each is another message."""
    encoded, by_pubsub, by_worker = body(), forwarded(), made()
    letters.handle(letter(encoded, by_pubsub, "m-1"), letter(b"x", by_worker, "m-2"))
    again = [
        letter(encoded, by_pubsub | {"CloudPubSubDeadLetterSourceDeliveryCount": "101"}, "m-3"),
        letter(b"x", by_worker, "m-4"),
    ]
    assert letters.handle(*again) == [Verdict.DUPLICATE] * 2
    assert [row.times_seen for row in letters.rows()] == [1, 1]


@pytest.mark.parametrize("status", ["pending", "replayed", "discarded"])
def test_dead_letter_that_fails_again_is_pending_again(letters: Letters, status: str) -> None:
    encoded = body()
    letters.handle(letter(encoded, made()))
    letters.query(
        "UPDATE dead_letter_events SET status = %s, discard_reason = 'why', replay_count = 1", status
    )
    later = OTHER | {
        "dead-letter-first-seen": "2026-05-06T07:03:00+00:00",
        "dead-letter-last-seen": "2026-05-06T07:09:00+00:00",
    }
    assert letters.handle(letter(body(event_id=str(id_of(encoded))), later)) == [Verdict.WRITTEN]
    (row,) = letters.rows()
    assert (row.times_seen, row.status, row.replay_count, row.discard_reason) == (2, "pending", 1, None)
    assert (row.error_class, row.reason, row.payload) == ("invalid_field", "another one", encoded)
    assert (row.first_seen.minute, row.last_seen.minute) == (0, 9)


def test_failure_of_an_edited_event_counts_on_the_copy(letters: Letters) -> None:
    letters.handle(letter(body()))
    letters.query(
        """WITH original AS (
               UPDATE dead_letter_events SET status = 'discarded', superseded_by = uuid_v7() RETURNING *
           )
           INSERT INTO dead_letter_events (id, edited_from, consumer, event_key, event_id, source, error_class, reason,
               cause, payload, attributes, occurrences, first_seen, last_seen)
           SELECT superseded_by, id, consumer, event_key, event_id, source, error_class, reason, cause, 'edited',
               attributes, occurrences, first_seen, last_seen FROM original"""
    )
    original = letters.rows("edited_from IS NULL")[0]
    stale, fresh = letter(original.payload, original.attributes), letter(original.payload)
    assert letters.handle(stale, fresh) == [Verdict.DUPLICATE, Verdict.WRITTEN]
    original, copy = letters.rows()
    assert (original.status, original.times_seen) == ("discarded", 1)
    assert (copy.status, copy.times_seen, copy.payload) == ("pending", 2, b"edited")


def test_event_rejected_by_both_workers_is_two_dead_letters(letters: Letters) -> None:
    encoded = body()
    letters.handle(letter(encoded), letter(encoded, made(source=GUARDRAILS, error_class="evaluation_failed")))
    assert sorted(row.consumer for row in letters.rows()) == ["executions", "guardrails"]


def test_repeated_failures_in_a_batch_are_all_counted(letters: Letters) -> None:
    encoded = body()
    outcomes = letters.handle(*[letter(encoded) for _ in range(150)], *[letter(body()) for _ in range(50)])
    assert outcomes == [Verdict.WRITTEN] * 200
    rows = letters.rows()
    assert sorted(row.times_seen for row in rows) == [1] * 50 + [150]
    # The latest of them are known again, and no row grows without end.
    assert max(len(row.occurrences) for row in rows) == 100


def test_lanes_with_equal_letters_do_not_deadlock(letters: Letters) -> None:
    encoded = [body() for _ in range(40)]
    failures = [letter(one, made()) for one in encoded for _ in range(3)]

    def deliver(seed: int) -> list[object]:
        mine = list(failures)
        random.Random(seed).shuffle(mine)
        return [
            outcome for start in range(0, 120, 30) for outcome in letters.handle(*mine[start : start + 30])
        ]

    with ThreadPoolExecutor(6) as pool:
        outcomes = Counter(outcome for each in pool.map(deliver, range(6)) for outcome in each)
    assert outcomes == {Verdict.WRITTEN: 120, Verdict.DUPLICATE: 600}
    assert [row.times_seen for row in letters.rows()] == [3] * 40


def test_dead_letter_that_postgres_cannot_hold_is_stored(letters: Letters) -> None:
    odd = made(reason="a\0b", source="s\0" * 300) | {"\0": "\0", "own": "\N{GRINNING FACE}\x01"}
    assert letters.handle(letter(b"\0\xff" * 10, odd), letter(b"")) == [Verdict.WRITTEN] * 2
    found, empty = sorted(letters.rows(), key=lambda row: -len(row.payload))
    assert (found.payload, empty.payload) == (b"\0\xff" * 10, b"")
    assert found.reason == "a\N{REPLACEMENT CHARACTER}b"
    assert found.attributes["own"] == "\N{GRINNING FACE}\x01"


def test_different_bodies_without_an_event_id_are_all_kept(letters: Letters) -> None:
    """Whatever their publisher announces in an attribute."""
    announced = id_of(body())
    attributes = {"ce-id": str(announced)}
    letters.handle(
        *[letter(b"not JSON %d" % n, made() | attributes) for n in range(5)],
        letter(b"not JSON 1", made() | attributes),
    )
    assert sorted(row.times_seen for row in letters.rows()) == [1, 1, 1, 1, 2]
    assert {row.event_id for row in letters.rows()} == {announced}


def test_worker_role_may_store_and_sweep(letters: Letters, database: str) -> None:
    as_worker = Letters(f"{database}?options=-c%20role%3Dprompt_dead_letter_worker")
    encoded, attributes = body(), made()
    assert as_worker.handle(letter(encoded, attributes)) == [Verdict.WRITTEN]
    assert as_worker.handle(letter(encoded, attributes), letter(encoded)) == [
        Verdict.DUPLICATE,
        Verdict.WRITTEN,
    ]
    assert as_worker.query("SELECT resolve_dead_letters()") == [(0,)]
    as_worker.close()
    assert [row.times_seen for row in letters.rows()] == [2]


def test_letter_that_fails_during_a_replay_changed_after_it(letters: Letters) -> None:
    """Else the replay would find it unchanged since its own beginning, and send it twice."""
    encoded = body()
    letters.handle(letter(encoded))
    with ThreadPoolExecutor() as pool:
        with letters.transaction() as replaying:
            replaying.execute("SELECT FROM dead_letter_events FOR UPDATE")
            failing = pool.submit(letters.handle, letter(encoded))
            wait_until(
                lambda: letters.query("SELECT 1 FROM pg_locks WHERE NOT granted"), 5, lambda: "nothing waits"
            )
            replaying.execute(
                "UPDATE dead_letter_events SET changed_at = clock_timestamp() RETURNING changed_at"
            )
            ((marked,),) = replaying.fetchall()
        assert failing.result(30) == [Verdict.WRITTEN]
    (row,) = letters.rows()
    assert row.changed_at > marked
