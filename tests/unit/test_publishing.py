"""What a publisher makes of an event before the network: its body, its attributes, its timing. No broker is reached."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import math
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from prompt_worker import ExecutionEvent, Publisher
from prompt_worker.event.execution import InvalidEventError, parse
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.topology import Names
from prompt_worker.platform.settings import PublisherSettings
from prompt_worker.publishing.body import BODY_LIMIT, make_body
from prompt_worker.publishing.message import make_message
from prompt_worker.publishing.tracing import carry_on
from tests.support.topic import an_event


def arrived(event: ExecutionEvent) -> dict[str, Any]:
    """The event as the worker will read it."""
    body, _ = make_body(event)
    parse(body)
    made: dict[str, Any] = json.loads(body)
    return made


# --- odd values ---


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Learner:
    name: str
    level: int


class Opaque:
    def __str__(self) -> str:
        return "opaque"


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("\udfff\ud83d\ude00", "\ufffd😀"),
        (math.nan, None),
        (math.inf, None),
        ([1, -math.inf, "x\ud800"], [1, None, "x\ufffd"]),
        (10**40, 10**40),
        ({1, 2}, [1, 2]),
        ((1, "a"), [1, "a"]),
        ({"k\ud800": {"deep": "\ud800"}}, {"k\ufffd": {"deep": "\ufffd"}}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({(1, 2): "pair"}, {"(1, 2)": "pair"}),
        (Decimal("0.10"), "0.10"),
        (date(2026, 3, 1), "2026-03-01"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Colour.RED, "red"),
        (Learner("Ada \ud800", 3), {"name": "Ada \ufffd", "level": 3}),
        (Opaque(), "opaque"),
        ([Opaque(), 10**40, "\ud800"], ["opaque", 10**40, "\ufffd"]),
        (b"\x00\xff", "AP8="),
    ],
)
def test_a_variable_json_has_no_form_for_is_still_recorded(value: object, stored: object) -> None:
    assert arrived(an_event(input_variables={"v": value}))["input_variables"]["v"] == stored


@pytest.mark.parametrize(
    "field", ["rendered_prompt", "model_response", "error_message", "template_name", "user_id", "environment"]
)
def test_lone_surrogates_break_no_field(field: str) -> None:
    assert arrived(an_event(**{field: "a\ud83d\ude00\ud800"}))[field] == "a😀\ufffd"


# --- too large ---


def test_an_event_that_fits_is_not_touched() -> None:
    event = an_event(rendered_prompt="x" * 9_900_000)
    body, cut = make_body(event)
    assert (parse(body)[0].rendered_prompt, cut) == (event.rendered_prompt, [])


@pytest.mark.parametrize("character", ["x", "é", "😀", '"', "\x01"])
def test_a_prompt_that_is_too_long_is_cut_between_characters(character: str) -> None:
    event = an_event(rendered_prompt=character * 11_000_000)
    body, cut = make_body(event)
    stored = parse(body)[0]
    assert len(body) <= BODY_LIMIT < len(body) + 100
    assert set(stored.rendered_prompt) == {character}
    assert stored.model_response == event.model_response
    assert cut == ["rendered_prompt"]
    assert json.loads(bytes(stored.input_variables)) == event.input_variables | {
        "_truncated": {"rendered_prompt": 11_000_000}
    }
    assert len(event.rendered_prompt) == 11_000_000, "the caller's own event was changed"
    assert "_truncated" not in event.input_variables


def test_the_longest_texts_are_cut_first_and_to_one_length() -> None:
    event = an_event(
        rendered_prompt="p" * 8_000_000, model_response="r" * 9_000_000, error_message="e" * 1_000_000
    )
    body, cut = make_body(event)
    stored = parse(body)[0]
    assert cut == ["model_response", "rendered_prompt"]
    assert stored.error_message == event.error_message
    assert abs(len(stored.rendered_prompt) - len(stored.model_response or "")) <= 1
    assert json.loads(bytes(stored.input_variables))["_truncated"] == {
        "rendered_prompt": 8_000_000,
        "model_response": 9_000_000,
    }


def test_texts_within_variables_are_cut_when_the_others_are_not_enough() -> None:
    variables = {
        "book": {"chapters": ["c" * 7_000_000, "d" * 7_000_000]},
        "title": "t" * 500,
        "n": 10**40,
        "f": 0.1,
    }
    event = an_event(rendered_prompt="p" * 3_000_000, input_variables=variables)
    body, cut = make_body(event)
    stored = json.loads(bytes(parse(body)[0].input_variables))
    assert BODY_LIMIT - 100 < len(body) <= BODY_LIMIT
    assert cut == ["input_variables", "rendered_prompt"]
    assert stored["_truncated"] == {
        "rendered_prompt": 3_000_000,
        "input_variables.book.chapters.0": 7_000_000,
        "input_variables.book.chapters.1": 7_000_000,
    }
    assert (stored["title"], stored["n"], stored["f"]) == ("t" * 500, 10**40, 0.1)


def test_variables_that_cannot_be_cut_are_left_out_and_named() -> None:
    event = an_event(input_variables={str(n): n for n in range(1_000_000)})
    stored = json.loads(bytes(parse(make_body(event)[0])[0].input_variables))
    assert list(stored) == ["_truncated"]
    assert stored["_truncated"]["input_variables"] > 9_950_000


def test_violations_that_cannot_be_cut_are_left_out_and_named() -> None:
    event = an_event(guardrail_violations=[{"details": {"at": n}} for n in range(600_000)])
    body, cut = make_body(event)
    assert "guardrail_violations" in cut
    assert json.loads(body)["guardrail_violations"] == []
    assert json.loads(body)["input_variables"]["topic"] == "fractions"


def test_thousands_of_texts_are_cut_in_a_moment() -> None:
    event = an_event(input_variables={f"v{n}": "y" * 2_500 for n in range(8_000)})
    body, cut = make_body(event)
    stored = json.loads(bytes(parse(body)[0].input_variables))
    assert BODY_LIMIT - 200_000 < len(body) <= BODY_LIMIT
    assert "input_variables" in cut
    assert set(stored["_truncated"]) >= {f"input_variables.v{n}" for n in range(8_000)}


def test_an_event_nothing_helps_is_refused() -> None:
    with pytest.raises(InvalidEventError) as caught:
        make_body(an_event(user_id="u" * 11_000_000))
    assert caught.value.error_class == "too_large"


def test_a_received_event_is_cut_as_well() -> None:
    """`prompt-worker publish` hands on what it parsed, whose JSON fields are bytes."""
    raw = make_body(an_event(input_variables={"n": 10**40}, rendered_prompt="x" * 9_000_000))[0]
    event, _ = parse(raw)
    event.model_response = "y" * 9_000_000
    stored = json.loads(make_body(event)[0])
    assert stored["input_variables"]["n"] == 10**40
    assert set(stored["input_variables"]["_truncated"]) == {"rendered_prompt", "model_response"}


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


def test_the_current_span_is_passed_on_and_baggage_is_not() -> None:
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


def test_an_execution_is_timed(publisher: Recorder) -> None:
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
def test_an_exception_is_recorded_and_raised_on(publisher: Recorder, raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, publisher.execution(**PROMPT):
        raise raised
    assert caught.value is raised
    (event,) = publisher.events
    assert (event.status, event.error_type, event.error_message) == (
        "failure",
        type(raised).__name__,
        str(raised),
    )


def test_what_the_block_says_itself_is_kept(publisher: Recorder) -> None:
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


def test_an_exception_that_cannot_be_printed_is_no_trouble(publisher: Recorder) -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(UnprintableError), publisher.execution(**PROMPT):
        raise UnprintableError
    assert publisher.events[0].error_type == "UnprintableError"


def test_a_missing_project_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBSUB_PROJECT_ID", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(SettingsError, match=r"PUBSUB_PROJECT_ID.*GOOGLE_CLOUD_PROJECT"):
        Publisher()


def test_a_source_that_fits_no_attribute_is_refused() -> None:
    with pytest.raises(SettingsError, match="OTEL_SERVICE_NAME"):
        Publisher("p-1", source="é" * 513)


def test_a_spool_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"PROMPT_WORKER_SPOOL.*file"):
        Publisher("p-1", spool=tmp_path / "file")


def test_the_topics_default_name_is_the_one_declared() -> None:
    assert Names().topic == PublisherSettings().topic


@pytest.mark.parametrize("name", ["a", "no spaces", "projects/p/topics/t", "../up", "1st", "t" * 256])
def test_a_name_pubsub_cannot_know_is_refused_at_once(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Publisher(name, name)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "PUBSUB_PROJECT_ID",
        "PROMPT_EXECUTIONS_TOPIC",
    ]


def test_importing_the_publisher_loads_no_network_library() -> None:
    code = "import sys, worker; print([name for name in sys.modules if name.startswith(('google', 'grpc'))])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_an_event_that_cannot_be_encoded_fails_its_future(caplog: pytest.LogCaptureFixture) -> None:
    class SecretError(Exception):
        pass

    class Hostile:
        def __str__(self) -> str:
            raise SecretError("SECRET")

    circle: dict[str, Any] = {}
    circle["self"] = circle
    with Publisher("p-1") as publisher:
        assert isinstance(
            publisher.publish(an_event(input_variables={"v": Hostile()})).exception(0), SecretError
        )
        assert isinstance(publisher.publish(an_event(input_variables=circle)).exception(0), RecursionError)
        assert isinstance(publisher.publish("event").exception(5), Exception)  # type: ignore[arg-type]
        assert publisher.counts.refused == 3
        assert publisher.publish(an_event(event_id="SECRET")).exception(5)
        assert publisher.publish(an_event(event_id="SECRET", user_id="u" * 11_000_000)).exception(5)
    assert "SECRET" not in caplog.text
    assert caplog.text.count("refused") == 5
