"""Several workers at once: no deadlock is visible, each event is one row, counters are exact."""

from __future__ import annotations

import random
from contextlib import ExitStack

import pytest

from tests.support.events import bodies
from tests.support.pipeline import Pipeline


@pytest.mark.embedded_only
def test_four_workers_share_a_subscription(pipeline: Pipeline) -> None:
    """All events are of three templates, whose counters every batch of every worker updates."""
    published = bodies(8000)
    with ExitStack() as stack:
        workers = [stack.enter_context(pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="200")) for _ in range(4)]
        for worker in workers:
            worker.wait_for(lambda w: w.logs)
        pipeline.publish(published)
        pipeline.wait_for_rows(len(published), 40)
        for worker in workers:
            assert worker.terminate()[0] == 0
        for worker in workers:
            assert worker.messages("WARNING", "ERROR") == []
            assert "deadlock" not in worker.output
        assert sum(worker.totals.get("written", 0) for worker in workers) == len(published)
        assert sum(1 for worker in workers if worker.totals.get("written")) > 1
    pipeline.assert_exact(published)
    totals = pipeline.query("SELECT sum(total_executions) FROM v_template_statistics")
    assert totals == [(len(published),)]


@pytest.mark.embedded_only
def test_workers_with_the_same_shuffled_events_write_each_once(pipeline: Pipeline) -> None:
    """Published three times, each time shuffled: as a publisher's retries and a seek do."""
    published = bodies(2000)
    for seed in range(3):
        pipeline.publish(random.Random(seed).sample(published, len(published)))
    with ExitStack() as stack:
        workers = [stack.enter_context(pipeline.worker(PROMPT_WORKER_BATCH_MESSAGES="300")) for _ in range(2)]
        pipeline.wait_for_rows(len(published))
        workers[0].wait_for(
            lambda _: sum(sum(worker.totals.values()) for worker in workers) == 3 * len(published), 20
        )
        for worker in workers:
            assert worker.terminate()[0] == 0
            assert "deadlock" not in worker.output
    outcomes = {
        name: sum(worker.totals.get(name, 0) for worker in workers) for name in ("written", "duplicate")
    }
    assert outcomes == {"written": 2000, "duplicate": 4000}
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []
