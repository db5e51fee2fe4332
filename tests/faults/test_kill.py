"""P1 and P2: `kill -9` at random moments under load loses no event and leaves no counter wrong.

A short run of `tests/faults/kill.py`; `make faults` runs it for twenty kills during 50,000 events.
"""

from __future__ import annotations

import pytest

from tests.faults import kill
from tests.support.pipeline import Pipeline


@pytest.mark.embedded_only
def test_killed_workers_lose_nothing_and_count_nothing_twice(database: str, project: str) -> None:
    pipeline = Pipeline(project, database, ack_deadline=kill.ACK_DEADLINE, warm=True)
    toll = kill.run(pipeline, rounds=4, events=8000, seed=4)
    pipeline.close()
    assert toll.nothing, toll
    assert (toll.published, toll.rows + toll.dead_letters) == (8000, 8000)
