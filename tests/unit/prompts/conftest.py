"""Registries in files, which services ask twenty times a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prompt_worker.prompts.registry import refresher
from prompt_worker.prompts.registry.sources import source
from tests.support.registry import FileRegistry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileRegistry]:
    monkeypatch.setattr(source, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(refresher, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(refresher, "LONGEST_SECONDS", 0.1)
    made = FileRegistry(tmp_path)
    yield made
    made.close()
