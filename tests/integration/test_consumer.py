"""The execution worker as a process: what is published becomes rows, once, and every wrong start says what to do."""

from __future__ import annotations

import pytest

from tests.events import bodies
from tests.pipeline import Pipeline


def test_published_events_become_rows_and_exact_counters(pipeline: Pipeline) -> None:
    published = bodies(3000)
    pipeline.publish(published)
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(3000)
        assert worker.terminate()[0] == 0
        assert worker.totals == {"written": 3000}
        assert worker.messages("WARNING", "ERROR") == []
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []


@pytest.mark.embedded_only
def test_the_broker_is_told_that_the_events_are_done(database: str, project: str) -> None:
    pipeline = Pipeline(project, database, ack_deadline=10)
    pipeline.publish(bodies(500))
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(500)
        worker.terminate()
    assert pipeline.unsettled(seconds=11) == []
    pipeline.close()
