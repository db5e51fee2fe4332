"""Feedback under `kill -9` and while the database is down: nothing lost, nothing twice, the last still counts."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest

from tests.faults.kill import ACK_DEADLINE
from tests.support.events import id_of
from tests.support.feedback import feedback_body
from tests.support.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.embedded_only


def test_killed_workers_lose_no_feedback_and_write_none_twice(database: str, project: str) -> None:
    pipeline = Pipeline(project, database, ack_deadline=ACK_DEADLINE)
    random = Random(5)
    requests = [str(uuid4()) for _ in range(200)]
    now = datetime.now(UTC)
    published = [
        feedback_body(
            request_id=random.choice(requests),
            value=random.choice([-1, 0, 1]) if number % 500 != 250 else 2,
            at=(now - timedelta(seconds=random.randrange(1_000))).isoformat(),
        )
        for number in range(4_000)
    ]
    bad = {id_of(one) for number, one in enumerate(published) if number % 500 == 250}
    for _ in range(3):
        with pipeline.command("run", "feedback", PROMPT_WORKER_BATCH_MESSAGES="100") as worker:
            worker.wait_for(lambda w: w.logs)
            random.shuffle(published)
            pipeline.publish_feedback(published[:2_000])
            time.sleep(random.uniform(0.05, 0.4))
            worker.kill()
    pipeline.publish_feedback(published)
    rejected: set[UUID] = set()

    def more_rejected() -> set[UUID]:
        rejected.update(id_of(letter.data) for letter in pipeline.dead_letters(1, seconds=0.3))
        return rejected

    with pipeline.command("run", "feedback") as worker:
        pipeline.wait_for_feedback(4_000 - len(bad))
        wait_until(lambda: more_rejected() >= bad, 60, lambda: f"{len(rejected)} of {len(bad)}")
        assert worker.terminate()[0] == 0
    stored = Counter(UUID(str(found)) for (found,) in pipeline.query("SELECT event_id FROM prompt_feedback"))
    assert set(stored) == {id_of(one) for one in published} - bad
    assert set(stored.values()) == {1}
    assert rejected == bad
    pipeline.close()
