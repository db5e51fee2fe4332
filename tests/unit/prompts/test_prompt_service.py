"""The service: get, render, run and arun, and what is recorded of them. No broker is reached."""

from __future__ import annotations

import asyncio
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from prompt_worker import PromptTemplateService
from prompt_worker.event.execution import ExecutionEvent, parse
from prompt_worker.platform.failures import Failure
from prompt_worker.prompts.errors import (
    FolderError,
    PromptError,
    PromptReferenceError,
    RenderError,
    UnknownPromptError,
    VariablesError,
    VersionGoneError,
)
from prompt_worker.publishing.encoding.body import make_body
from tests.support.prompts import RecordingPublisher, offline, write_prompts

VERSIONS = {
    "tutor/hints@1": '+++\nvariables = ["query"]\n+++\none {{ query }}\n',
    "tutor/hints": '+++\nvariables = ["query"]\n[model_config]\ntemperature = 0.2\n+++\ntwo {{ query }}\n',
}
NAME = "tutor/hints"


@pytest.fixture
def publisher() -> RecordingPublisher:
    return RecordingPublisher()


@pytest.fixture
def prompts(tmp_path: Path, publisher: RecordingPublisher) -> PromptTemplateService:
    return PromptTemplateService.offline(write_prompts(tmp_path, VERSIONS), publisher=publisher)


def ran(prompts: PromptTemplateService, **choice: Any) -> str:
    with prompts.run(NAME, {"query": "q"}, **choice) as run:
        return run.text


async def aran(prompts: PromptTemplateService, **choice: Any) -> str:
    async with prompts.arun(NAME, {"query": "q"}, **choice) as run:
        return run.text


def test_version_one_then_two_is_one_then_two_on_every_way(
    prompts: PromptTemplateService, publisher: RecordingPublisher
) -> None:
    wanted = [(1, "one q\n"), (2, "two q\n"), (1, "one q\n"), (2, "two q\n")]
    for version, text in wanted:
        prompt = prompts.get(NAME, version=version)
        assert (prompt.version, prompt.render({"query": "q"}).text) == (version, text)
        assert prompts.get(NAME, ref=prompt.ref) is prompt
        assert ran(prompts, version=version) == text
        assert ran(prompts, ref=prompt.ref) == text
        assert asyncio.run(aran(prompts, version=version)) == text
        assert asyncio.run(aran(prompts, ref=prompt.ref)) == text
    assert [event.template_version for event in publisher.events] == [1] * 4 + [2] * 4 + [1] * 4 + [2] * 4
    assert prompts.get(NAME).version == 2


def test_prompt_says_what_it_is(prompts: PromptTemplateService) -> None:
    prompt = prompts.get(NAME)
    assert (prompt.name, prompt.version, prompt.source, prompt.ref) == (NAME, 2, "builtin", "tutor/hints@2")
    assert (prompt.template_id, prompt.group, prompt.experiment_id, prompt.language) == (None,) * 4
    assert (prompt.revision, prompt.age_seconds, prompt.reason) == (None, None, "production")
    assert (prompt.variables, prompt.model_config) == (["query"], {"temperature": 0.2})
    assert len(prompt.content_sha256) == 64
    assert [prompts.get(NAME, version=version).reason for version in (1, 2)] == ["pinned", "pinned"]
    assert prompts.get(NAME, ref=prompt.ref).reason == "pinned"


def test_run_records_the_version_served_and_the_answer(
    prompts: PromptTemplateService, publisher: RecordingPublisher
) -> None:
    request = uuid4()
    with prompts.run(
        NAME, {"query": Decimal("1.50")}, user_id="u", session_id="s", request_id=request, environment="test"
    ) as run:
        assert (run.text, run.messages, run.ref) == ("two 1.50\n", None, "tutor/hints@2")
        assert run.model_config == {"temperature": 0.2}
        run.respond(
            "answer", model="m", provider="p", input_tokens=3, output_tokens=4, cost_usd=Decimal("0.01")
        )
    (event,) = publisher.events
    assert (event.template_name, event.template_version, event.template_id) == (NAME, 2, None)
    assert (event.input_variables, event.status) == ({"query": "1.50"}, "success")
    assert event.rendered_prompt == "two 1.50\n"
    assert (event.model_response, event.model, event.provider) == ("answer", "m", "p")
    assert (event.input_tokens, event.output_tokens, event.cost_usd) == (3, 4, Decimal("0.01"))
    assert (event.user_id, event.session_id, event.request_id) == ("u", "s", request)
    assert event.execution_time_ms is not None
    assert parse(make_body(event)[0])[0].template_version == 2


def test_run_records_how_the_prompt_was_chosen(
    prompts: PromptTemplateService, publisher: RecordingPublisher
) -> None:
    for fields in ({}, {"version": 1, "attempt": 2, "service": "tutor", "prompt_source": "disk"}):
        with prompts.run(NAME, {"query": "q"}, **fields):
            pass
    first, second = publisher.events
    assert (first.prompt_source, first.selection) == ("builtin", prompts.get(NAME).reason)
    assert (first.registry_revision, first.language, first.experiment_id) == (None, None, None)
    assert first.content_sha256 == prompts.get(NAME).content_sha256
    assert (first.attempt, first.service) == (None, None)
    assert (second.selection, second.content_sha256) == (
        "pinned",
        prompts.get(NAME, version=1).content_sha256,
    )
    # What the caller says comes first.
    assert (second.attempt, second.service, second.prompt_source) == (2, "tutor", "disk")
    for event in publisher.events:
        parse(make_body(event)[0])


class ModelError(Exception):
    """Of a model that fails."""


@pytest.mark.parametrize("raised", [ModelError("no answer"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exception_of_the_block_is_a_failure_and_raised_on(
    prompts: PromptTemplateService, publisher: RecordingPublisher, raised: BaseException
) -> None:
    with pytest.raises(type(raised)), prompts.run(NAME, {"query": "q"}):
        raise raised

    async def fails() -> None:
        async with prompts.arun(NAME, {"query": "q"}):
            raise raised

    with pytest.raises(type(raised)):
        asyncio.run(fails())
    assert [event.status for event in publisher.events] == ["failure", "failure"]
    assert {event.error_type for event in publisher.events} == {type(raised).__name__}
    assert {event.error_message for event in publisher.events} == {str(raised)}


@pytest.mark.parametrize(
    ("name", "variables", "choice", "error"),
    [
        (NAME, {"qeury": "q"}, {}, VariablesError),
        (NAME, {}, {}, VariablesError),
        (NAME, None, {}, VariablesError),
        (NAME, ["query"], {}, VariablesError),
        (NAME, {"query": ["a"]}, {}, RenderError),
        ("tutor/none", {"query": "q"}, {}, UnknownPromptError),
        ("n" * 300, {"query": "q"}, {}, UnknownPromptError),
        ("😀", {"query": "q"}, {}, UnknownPromptError),
        (NAME, {"query": "q"}, {"version": 3}, VersionGoneError),
        (NAME, {"query": "q"}, {"ref": "tutor/hints@3"}, VersionGoneError),
        (NAME, {"query": "q"}, {"ref": "other@1"}, PromptReferenceError),
        (NAME, {"query": "q"}, {"ref": "latest"}, PromptReferenceError),
        (NAME, {"query": "q"}, {"ref": 1}, PromptReferenceError),
        (NAME, {"query": "q"}, {"ref": "tutor/hints@1", "version": 2}, PromptReferenceError),
        (NAME, {"query": "q"}, {"version": "1"}, PromptReferenceError),
    ],
)
def test_wrong_request_is_an_error_before_the_model_is_called(
    tmp_path: Path, name: str, variables: Any, choice: dict[str, Any], error: type[PromptError]
) -> None:
    publisher = RecordingPublisher()
    prompts = PromptTemplateService.offline(write_prompts(tmp_path, VERSIONS), publisher=publisher)
    called = []
    with pytest.raises(error) as caught, prompts.run(name, variables, **choice):
        called.append("model")
    assert isinstance(caught.value, PromptError)
    assert isinstance(caught.value, Failure)
    assert (called, publisher.events) == ([], [])


def test_field_that_no_event_has_is_refused_before_the_model(prompts: PromptTemplateService) -> None:
    for field in ({"user": "u"}, {"template_version": 7}):
        with pytest.raises(TypeError), prompts.run(NAME, {"query": "q"}, **field):
            pytest.fail("the block began")


def test_ref_pins_the_language_too(tmp_path: Path) -> None:
    text = "+++\n[translations]\nde = 'Hallo'\n+++\nHello"
    prompts = offline(tmp_path, {"greeting": text})
    german = prompts.get("greeting", language="de-AT")
    assert (german.ref, german.language) == ("greeting@1:de", "de")
    assert prompts.get("greeting", ref=german.ref).render().text == "Hallo"
    assert prompts.get("greeting", ref=prompts.get("greeting").ref).render().text == "Hello"


def test_offline_without_publisher_still_shows_the_event(tmp_path: Path) -> None:
    prompts = offline(tmp_path, VERSIONS)
    with prompts.run(NAME, {"query": "q"}) as run:
        run.respond("answer")
    assert isinstance(run.event, ExecutionEvent)
    assert (run.event.model_response, run.event.rendered_prompt) == ("answer", "two q\n")


def test_health_names_prompts_that_are_not_served(tmp_path: Path) -> None:
    write_prompts(tmp_path, VERSIONS | {"other": "fine"})
    (tmp_path / "other.prompt").write_text("changed without a lock")
    (tmp_path / "new.prompt").write_text("not in the lock")
    (tmp_path / "tutor" / "hints@1.prompt").unlink()
    prompts = PromptTemplateService.offline(tmp_path)
    health = prompts.health()
    assert (health.prompts, health.source, health.revision, health.is_healthy) == (1, "builtin", None, False)
    assert health.quarantined.keys() == {"other", "new", "tutor/hints@1"}
    assert all("--update" in reason or "restore" in reason for reason in health.quarantined.values())
    with pytest.raises(UnknownPromptError, match="quarantined"):
        prompts.get("other")
    with pytest.raises(VersionGoneError, match="health"):
        prompts.get(NAME, version=1)
    assert prompts.get(NAME).version == 2


def test_folder_without_a_lock_or_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.prompt").write_text("x")
    with pytest.raises(FolderError, match=r"check .* --update"):
        PromptTemplateService.offline(tmp_path)
    with pytest.raises(FolderError, match="no folder"):
        PromptTemplateService.offline(tmp_path / "none")
    (tmp_path / "prompts.lock").write_text("damaged")
    with pytest.raises(FolderError, match="damaged"):
        PromptTemplateService.offline(tmp_path)


def test_fork_and_threads_use_one_service(prompts: PromptTemplateService) -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.extend(ran(prompts) for _ in range(50))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["two q\n"] * 400
    child = os.fork()
    if child == 0:
        os._exit(0 if prompts.get(NAME).render({"query": "q"}).text == "two q\n" else 1)
    assert os.waitpid(child, 0)[1] == 0
