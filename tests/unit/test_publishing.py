"""What a publisher does before the network: attributes, timing, settings. No broker is reached."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider

from prompt_worker import ExecutionEvent, Publisher
from prompt_worker.event.execution import COUNTS, InvalidEventError, parse
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.topology import Names
from prompt_worker.platform.settings import UNKNOWN_SERVICE, PublisherSettings
from prompt_worker.publishing.encoding.body import make_body
from prompt_worker.publishing.encoding.message import make_message
from prompt_worker.publishing.target import read_target
from prompt_worker.publishing.tracing import carry_on
from tests.support.topic import an_event

# --- attributes ---


def test_attributes_follow_the_cloudevents_binding() -> None:
    event = an_event(executed_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC), environment="staging")
    message = make_message(make_body(event)[0], "script-service", {"truncated-fields": "rendered_prompt"})
    assert message.attributes == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(event.event_id),
        "ce-type": "prompt.execution.v1",
        "ce-source": "script-service",
        "ce-time": "2026-03-01T09:30:00+00:00",
        "template_name": "clarifying_questions",
        "environment": "staging",
        "truncated-fields": "rendered_prompt",
    }


def test_attributes_stay_within_the_limits_of_pubsub() -> None:
    event = an_event(template_name="😀" * 255, environment="😀" * 50)
    attributes = make_message(make_body(event)[0], "s", {}).attributes
    assert max(len(value.encode()) for value in attributes.values()) <= 1024
    assert "environment" not in make_message(make_body(an_event())[0], "s", {}).attributes


def test_current_span_is_passed_on_and_baggage_is_not() -> None:
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("user", "jane@example.org"))
    try:
        assert carry_on(Future(), None) == {}
        with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
            carried = carry_on(Future(), None)
    finally:
        context.detach(token)
    assert set(carried) <= {"traceparent", "tracestate"}
    assert f"{span.get_span_context().trace_id:032x}" in carried["traceparent"]


# --- the publisher ---


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close(0)


class Recorder(Publisher):
    """Keeps what would be handed over."""

    def __init__(self) -> None:
        super().__init__("no-project")
        self.events: list[ExecutionEvent] = []

    def publish(self, event: ExecutionEvent) -> Any:
        self.events.append(event)


PROMPT: dict[str, Any] = {
    "template_name": "t",
    "template_version": 2,
    "rendered_prompt": "r",
    "input_variables": {"a": 1},
}


def test_execution_is_timed(publisher: Recorder) -> None:
    with publisher.execution(**PROMPT, user_id="u") as execution:
        execution.model_response = "answer"
        execution.input_tokens = 7
        while (datetime.now(UTC) - execution.executed_at).total_seconds() < 0.02:
            pass
    (event,) = publisher.events
    assert (event.status, event.model_response, event.user_id, event.input_tokens) == (
        "success",
        "answer",
        "u",
        7,
    )
    assert event.execution_time_ms is not None
    assert 15 <= event.execution_time_ms < 5_000


@pytest.mark.parametrize(
    "raised", [ValueError("no answer"), KeyboardInterrupt(), asyncio.CancelledError("gone"), SystemExit(3)]
)
def test_exception_in_an_execution_is_recorded_and_reraised(
    publisher: Recorder, raised: BaseException
) -> None:
    with pytest.raises(type(raised)) as caught, publisher.execution(**PROMPT):
        raise raised
    assert caught.value is raised
    (event,) = publisher.events
    assert (event.status, event.error_type, event.error_message) == (
        "failure",
        type(raised).__name__,
        str(raised),
    )


def test_fields_set_by_the_block_are_kept(publisher: Recorder) -> None:
    def block() -> None:
        with publisher.execution(**PROMPT) as execution:
            execution.status = "blocked"
            execution.error_type = "PiiFound"
            execution.execution_time_ms = 0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        block()
    (event,) = publisher.events
    assert (event.status, event.error_type, event.execution_time_ms) == ("blocked", "PiiFound", 0)


def test_exception_that_cannot_be_printed_is_recorded(publisher: Recorder) -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(UnprintableError), publisher.execution(**PROMPT):
        raise UnprintableError
    assert publisher.events[0].error_type == "UnprintableError"


@pytest.mark.parametrize("leave", ["break", "close", "garbage"])
def test_stream_that_its_reader_leaves_is_partial(publisher: Recorder, leave: str) -> None:
    def stream() -> Iterator[str]:
        with publisher.execution(**PROMPT) as execution:
            execution.model_response = "half"
            yield "half"
            execution.model_response = "whole"

    reading = stream()
    next(reading)
    if leave == "close":
        reading.close()  # type: ignore[attr-defined]
    del reading
    (event,) = publisher.events
    assert (event.status, event.error_type, event.error_message, event.model_response) == (
        "partial",
        None,
        None,
        "half",
    )


def test_asynchronous_stream_that_is_closed_is_partial(publisher: Recorder) -> None:
    async def stream() -> AsyncIterator[str]:
        with publisher.execution(**PROMPT):
            yield "half"

    async def read() -> None:
        reading = stream()
        await anext(reading)
        await reading.aclose()  # type: ignore[attr-defined]

    asyncio.run(read())
    assert [(event.status, event.error_type) for event in publisher.events] == [("partial", None)]


def test_status_set_before_a_reader_leaves_is_kept(publisher: Recorder) -> None:
    def stream() -> Iterator[str]:
        with publisher.execution(**PROMPT, status="blocked"):
            yield "half"

    for _ in stream():
        break
    assert [event.status for event in publisher.events] == ["blocked"]


def test_missing_project_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_PROJECT_ID", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(SettingsError, match=r"PUBSUB_PROJECT_ID.*GOOGLE_CLOUD_PROJECT"):
        Publisher()


def test_arguments_take_precedence_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {
        "PUBSUB_PROJECT_ID": "",
        "GOOGLE_CLOUD_PROJECT": "from-environment",
        "PROMPT_EXECUTIONS_TOPIC": "",
        "OTEL_SERVICE_NAME": "",
        "K_SERVICE": "cloud-run-service",
        "PROMPT_WORKER_SPOOL": str(tmp_path / "environment"),
    }.items():
        monkeypatch.setenv(name, value)
    assert read_target(None, None, None, None) == (
        "from-environment",
        "prompt-executions",
        "cloud-run-service",
        tmp_path / "environment" / "from-environment" / "prompt-executions",
    )
    assert read_target("p-1", "topic", "script", tmp_path / "argument") == (
        "p-1",
        "topic",
        "script",
        tmp_path / "argument" / "p-1" / "topic",
    )


@pytest.mark.parametrize("first", range(3))
def test_service_is_named_by_the_first_variable_that_is_set(
    monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    names = ["PROMPT_WORKER_SERVICE", "OTEL_SERVICE_NAME", "K_SERVICE"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert read_target("p-1", None, None, None).source == UNKNOWN_SERVICE
    for name in names[first:]:
        monkeypatch.setenv(name, name.lower())
    assert read_target("p-1", None, None, None).source == names[first].lower()
    assert read_target("p-1", None, "argument", None).source == "argument"


def test_source_too_long_for_an_attribute_is_refused() -> None:
    with pytest.raises(SettingsError, match="OTEL_SERVICE_NAME"):
        Publisher("p-1", source="é" * 513)


def test_source_in_another_encoding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"PROMPT_WORKER_SERVICE", b"caf\xe9")
    with pytest.raises(SettingsError, match="PROMPT_WORKER_SERVICE or OTEL_SERVICE_NAME: not UTF-8"):
        Publisher("p-1")


def test_unusable_spool_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"PROMPT_WORKER_SPOOL.*file"):
        Publisher("p-1", spool=tmp_path / "file")


def test_publisher_and_topology_name_the_same_default_topic() -> None:
    assert Names().topic == PublisherSettings().topic


@pytest.mark.parametrize("name", ["a", "no spaces", "projects/p/topics/t", "../up", "1st", "t" * 256])
def test_impossible_names_are_refused_together(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Publisher(name, name)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "PUBSUB_PROJECT_ID",
        "PROMPT_EXECUTIONS_TOPIC",
    ]


NOT_IMPORTED = """
import sys
import prompt_worker, prompt_worker.publishing.publisher
publisher = prompt_worker.Publisher("p-1", spool=sys.argv[1])
heavy = {"google", "grpc", "opentelemetry", "sqlalchemy", "psycopg2", "rich"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_making_a_publisher_imports_no_heavy_library(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOT_IMPORTED, str(tmp_path)]
    assert subprocess.check_output(command, text=True).strip() == "[]"


def test_what_is_no_event_fails_its_future(caplog: pytest.LogCaptureFixture) -> None:
    class SecretError(Exception):
        pass

    class Hostile:
        @property
        def event_id(self) -> UUID:
            raise SecretError("SECRET")

    with Publisher("p-1") as publisher:
        assert isinstance(publisher.publish("event").exception(5), Exception)  # type: ignore[arg-type]
        assert isinstance(publisher.publish(Hostile()).exception(0), SecretError)  # type: ignore[arg-type]
        assert publisher.counts.refused == 2
        assert publisher.publish(an_event(event_id="SECRET")).exception(5)
        assert publisher.publish(an_event(event_id="SECRET", user_id="u" * 11_000_000)).exception(5)
    assert "SECRET" not in caplog.text
    assert caplog.text.count("refused") == 4


# --- what the message is made of ---


@pytest.mark.parametrize(
    ("given", "source", "service", "ce_source"),
    [
        (None, "tutor", "tutor", "tutor"),
        ("own", "tutor", "own", "own"),
        ("own", UNKNOWN_SERVICE, "own", "own"),
        (None, UNKNOWN_SERVICE, None, UNKNOWN_SERVICE),
        (None, "é" * 512, "é" * 100, "é" * 512),
        (None, 'a "name"\n\\', 'a "name"\n\\', 'a "name"\n\\'),
    ],
)
def test_event_without_a_service_gets_the_publishers(
    given: str | None, source: str, service: str | None, ce_source: str
) -> None:
    event = an_event(service=given, input_variables={"service": "of the caller"})
    message = make_message(make_body(event)[0], source, {})
    found = json.loads(bytes(message.data))
    assert (found.get("service"), message.attributes["ce-source"]) == (service, ce_source)
    assert found["input_variables"] == {"service": "of the caller"}
    assert parse(bytes(message.data))[0].service == service
    assert event.service == given, "the caller's own event was changed"


@pytest.mark.parametrize(("given", "sent"), [(412.0, 412), (411.6, 412), (0.4, 0), (math.nan, None)])
@pytest.mark.parametrize("field", COUNTS)
def test_counts_are_rounded(field: str, given: float, sent: int | None) -> None:
    message = make_message(make_body(an_event(**{field: given}))[0], "s", {})
    assert getattr(parse(bytes(message.data))[0], field) == sent


@pytest.mark.parametrize(
    "fields", [{"template_version": 1.5}, {"execution_time_ms": -1.5}, {"execution_time_ms": 1e300}]
)
def test_other_fractions_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError):
        make_message(make_body(an_event(**fields))[0], "s", {})


@pytest.mark.parametrize(
    "variables",
    [
        {"by": {1: "a", "1": "b"}},
        {"by": [{"x": {1: "a", "1": "b"}}]},
        {"by": {"1": "a", 1: "b"}, "n": 10**30, "f": 1e300},
        # As msgspec encodes it, and as it is encoded beside a value that msgspec cannot.
        {"by": {1: "a", "1": "b"}, "o": object()},
    ],
)
def test_keys_that_become_equal_are_made_unique(variables: dict[str, Any]) -> None:
    message = make_message(make_body(an_event(input_variables=variables))[0], "s", {})
    stored = bytes(parse(bytes(message.data))[0].input_variables)
    assert b'{"1":"a","1 (2)":"b"}' in stored
    assert json.loads(stored).keys() == variables.keys()


def test_ordinary_body_is_sent_byte_for_byte() -> None:
    body, _ = make_body(
        an_event(input_variables={"n": 10**40, "f": 1.10, "e": 1e300, "t": "é\n", "l": [1, {}]})
    )
    assert bytes(make_message(body, UNKNOWN_SERVICE, {}).data) == body
