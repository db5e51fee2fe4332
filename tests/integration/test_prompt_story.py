"""From the first version of a prompt to a rollback, as an owner's commands tell it."""

from __future__ import annotations

import pytest

from tests.prompt_story import logins, tell
from tests.support.authoring import Desk

pytestmark = pytest.mark.embedded_only


def test_story_of_a_prompt(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(desk, logins(desk, lambda url: monkeypatch.setenv("DATABASE_URL", url)), lambda _: None)
