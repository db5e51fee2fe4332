"""P1 and P4: a day without the database costs a pushed event time and nothing else.

A short run of `tests/faults/outage.py`; `make faults` runs a longer one.
"""

from __future__ import annotations

import pytest

from prompt_worker.local.servers.postgres import Postgres
from tests.faults import outage
from tests.support.pipeline import Pipeline


@pytest.mark.embedded_only
def test_day_without_a_database_loses_no_pushed_event(pipeline: Pipeline, postgres: Postgres) -> None:
    day = outage.run(pipeline, postgres, hours=24, seconds=12, events=96)
    assert set(day.answers) <= {429, 503}
    assert day.alive
    assert day.expired == 0
    # More than the 100 that a dead-letter policy of Pub/Sub's allows at most.
    assert day.most_attempts > 100
    assert day.growth < outage.GROWTH, [round(size / 1e6) for size in day.memory]
    pipeline.assert_exact(day.published)
    assert pipeline.dead_letters(0) == []
