"""What a folder would add to a registry, by the hashes of its contents."""

from __future__ import annotations

from prompt_worker.prompts.authoring.stored import Head
from prompt_worker.prompts.authoring.versions.planning import Candidate, plan
from tests.unit.prompts.test_writing_prompt_files import content


def head(name: str, version: int, text: str, *, active: bool = False) -> Head:
    return Head(name, version, content(text).sha256, active, None, None, None, None)


STORED = [
    head("a", 1, "one"),
    head("a", 2, "two", active=True),
    head("a", 3, "three"),
    head("b", 4, "old"),
    head("b", 7, "old"),
]


def planned(name: str, text: str, version: int | None = None) -> tuple[str, int, int | None]:
    (found,) = plan([Candidate(name=name, content=content(text), version=version)], STORED)
    return found.action, found.version, found.before


def test_each_content_is_new_changed_saved_or_the_same() -> None:
    assert planned("c", "x") == ("new", 1, None)
    assert planned("a", "x") == ("changed", 4, 2)
    assert planned("a", "two") == ("same", 2, 2)
    assert planned("a", "one") == ("saved", 1, 2)
    assert planned("b", "x") == ("changed", 8, 7)
    assert planned("b", "old") == ("saved", 7, 7)


def test_pinned_file_is_that_version_or_refused() -> None:
    assert planned("a", "one", 1) == ("saved", 1, 2)
    assert planned("a", "two", 2) == ("same", 2, 2)
    assert planned("a", "one", 3) == ("refused", 3, 2)
    assert planned("c", "one", 1) == ("refused", 1, None)


def test_plan_keeps_the_order_of_its_candidates() -> None:
    names = ["z", "a", "m"]
    found = plan([Candidate(name=name, content=content("x")) for name in names], STORED)
    assert [each.candidate.name for each in found] == names
