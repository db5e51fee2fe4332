"""Where a rollback goes, from what the history says was activated."""

from __future__ import annotations

import pytest

from prompt_worker.prompts.authoring.releases.rolling_back import before


def releases(*versions: int) -> list[tuple[str, int]]:
    """As the history has them: what is replaced is deactivated just before."""
    actions: list[tuple[str, int]] = []
    for at, version in enumerate(versions):
        if at:
            actions.append(("deactivated", versions[at - 1]))
        actions.append(("activated", version))
    return actions


@pytest.mark.parametrize(
    ("versions", "target"),
    [
        ([1, 2], 1),
        ([1, 2, 3], 2),
        # A second rollback goes further back, and not to what the first one left.
        ([1, 2, 3, 2], 1),
        ([1, 2, 3, 2, 1], None),
        ([1, 2, 3, 2, 3], 2),
        ([1, 2, 3, 2, 4], 2),
        ([1], None),
        ([], None),
    ],
)
def test_rollback_goes_to_what_was_active_before(versions: list[int], target: int | None) -> None:
    now = versions[-1] if versions else None
    assert before(releases(*versions), now, set(range(1, 9))) == target


def test_version_that_was_active_before_the_history_counts() -> None:
    assert before([("deactivated", 1), ("activated", 2)], 2, {1, 2}) == 1


def test_deactivated_prompt_goes_back_to_what_it_was() -> None:
    assert before([*releases(1, 2), ("deactivated", 2)], None, {1, 2}) == 2


def test_deleted_version_is_left_out() -> None:
    assert before(releases(1, 2, 3), 3, {1, 3}) == 1
