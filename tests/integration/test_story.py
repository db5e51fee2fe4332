"""The story in the README of dead letters, with smaller numbers."""

from __future__ import annotations

import pytest

from tests.story import tell
from tests.support.pipeline import Pipeline


@pytest.mark.embedded_only
def test_story_ends_with_a_row_for_each_event(pipeline: Pipeline) -> None:
    lines: list[str] = []
    tell(pipeline, 500, 100, 5, lines.append)
    assert lines[-1] == "# 600 rows"
