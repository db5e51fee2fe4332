"""A release spreads: a service that runs meanwhile follows it, and the command that waits sees it in the events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from prompt_worker import PromptTemplateService
from tests.support.authoring import Desk
from tests.support.prompts import RecordingPublisher

pytestmark = pytest.mark.embedded_only


@contextmanager
def serving(desk: Desk) -> Iterator[list[tuple[int, str | None]]]:
    """A service that executes `a` all the time; yields its versions, each with its text."""
    publisher, ended = RecordingPublisher(), threading.Event()
    prompts = PromptTemplateService(
        publisher=publisher, registry=desk.as_role("prompt_reader"), last_good="none"
    )
    assert prompts.start(wait=30)
    served: list[tuple[int, str | None]] = []

    def serve() -> None:
        while not ended.wait(0.05):
            with prompts.run("a"):
                pass
            event = publisher.events[-1]
            served.append((event.template_version or 0, event.rendered_prompt))
            desk.executed("a", event.template_version or 0, {}, revision=event.registry_revision)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield served
    finally:
        ended.set()
        thread.join()
        prompts.close()


def test_release_and_rollback_spread_to_a_running_service(desk: Desk) -> None:
    desk.release("a", "text 1")
    desk.create("a", "text 2")
    with serving(desk) as served:
        wait = ("--wait", "--timeout", "60")
        assert "tutor serves version 2" in desk("activate", "a", "2", *wait)
        # While the service refreshes for the one, the other comes.
        desk("rollback", "a")
        desk("activate", "a", "2")
        assert "tutor serves version 1" in desk("rollback", "a", *wait)
        last = served[-1]
    assert last == (1, "text 1")
    # Never a text under another version's number.
    assert set(served) == {(1, "text 1"), (2, "text 2")}
