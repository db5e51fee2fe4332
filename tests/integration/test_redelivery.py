"""P1 and P2 under redelivery: what is redelivered after its commit is a duplicate, and is counted once."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.consuming.pull.subscription import Subscription
from prompt_worker.executions.writer import ExecutionWriter
from prompt_worker.platform.postgres.engine import connect
from tests.support.events import bodies
from tests.support.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.embedded_only


def receive(subscription: Subscription, count: int) -> list[Message]:
    found: list[Message] = []
    wait_until(
        lambda: found.extend(subscription.receive(0.2)) or len(found) >= count, 15, lambda: f"{len(found)}"
    )
    return found


def test_unacknowledged_batch_comes_again_as_duplicates(pipeline: Pipeline) -> None:
    """A worker that dies between its commit and its acknowledgement."""
    published = bodies(500)
    pipeline.publish(published)
    engine = connect(pipeline.database, application_name="tests")
    subscription = Subscription(pipeline.subscriber, pipeline.writer, ack_deadline=60, open_pulls=1)
    messages = receive(subscription, 500)
    assert set(ExecutionWriter(engine, threading.Event())(messages)) == {Verdict.WRITTEN}
    subscription.hand_back(messages)
    subscription.close()
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) >= 500)
        assert worker.terminate()[0] == 0
    assert worker.totals == {"duplicate": 500}
    pipeline.assert_exact(published)
    engine.dispose()


def test_seek_into_the_past_changes_nothing(pipeline: Pipeline) -> None:
    published = bodies(1000)
    before = datetime.now(UTC) - timedelta(seconds=1)
    pipeline.publish(published)
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.totals.get("written", 0) == 1000)
        SubscriberClient().seek(request={"subscription": pipeline.writer, "time": before})
        worker.wait_for(lambda w: w.totals.get("duplicate", 0) >= 1000)
        assert worker.terminate()[0] == 0
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []


def test_event_published_twice_is_one_row(pipeline: Pipeline) -> None:
    """The broker sees two messages; only the event's id shows that they are one."""
    published = bodies(1000)
    pipeline.publish(random.Random(1).sample(published * 2, 2000))
    with pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="300") as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) >= 2000)
        assert worker.terminate()[0] == 0
    assert worker.totals == {"written": 1000, "duplicate": 1000}
    pipeline.assert_exact(published)
