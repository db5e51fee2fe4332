"""The story of README's section "Dead letters", with smaller numbers."""

from __future__ import annotations

import pytest

from tests.story import tell
from tests.support.pipeline import Pipeline


@pytest.mark.embedded_only
def test_events_for_a_template_that_comes_later_end_as_rows_each_counted_once(pipeline: Pipeline) -> None:
    told: list[str] = []
    tell(pipeline, 500, 100, 5, told.append)
    assert told[-1] == "# 600 rows"
