"""Log lines: JSON as Cloud Logging reads it, with the trace they belong to; text for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.telemetry import configure_logs
from prompt_worker.platform.telemetry.logs import configure_last_logs, stack_trace

log = logging.getLogger("prompt_worker.test")


@pytest.fixture(autouse=True)
def root_logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restores the root logger afterwards, and hides the settings of the developer's shell."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    for setting in ("PROMPT_WORKER_LOG_LEVEL", "PROMPT_WORKER_LOG_FORMAT", "PUBSUB_PROJECT_ID"):
        monkeypatch.delenv(setting, raising=False)
    yield
    root.handlers[:], root.level = before[0], before[1]


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_log_line_has_the_ids_of_its_span(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_PROJECT_ID", "of-mine")
    configure_logs()
    with TracerProvider().get_tracer("test").start_as_current_span("batch") as span:
        log.warning("inside")
    log.info("outside", extra={"fields": {"totals": {"written": 3}}})
    inside, outside = written(capsys)
    context = span.get_span_context()
    assert inside["severity"] == "WARNING"
    assert inside["logging.googleapis.com/trace"] == f"projects/of-mine/traces/{context.trace_id:032x}"
    assert inside["logging.googleapis.com/spanId"] == f"{context.span_id:016x}"
    assert inside["logging.googleapis.com/trace_sampled"] is True
    place = inside["logging.googleapis.com/sourceLocation"]
    assert isinstance(place, dict)
    assert place["file"] == "test_logs.py"
    assert place["function"] == "test_log_line_has_the_ids_of_its_span"
    assert outside["totals"] == {"written": 3}
    assert not any(name.startswith("logging.googleapis.com/") for name in outside)


def test_logged_exception_is_named_and_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("json", "text"):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("PROMPT_WORKER_LOG_FORMAT", form)
            configure_logs()
        try:
            raise ValueError("what somebody wrote")
        except ValueError:
            log.exception("it failed")
        line = capsys.readouterr().err
        assert "ValueError" in line
        assert "what somebody wrote" not in line


def fail_twice() -> None:
    try:
        {}["what somebody wrote"]
    except KeyError:
        raise ValueError("what somebody wrote") from None


def fail_of_a_cause() -> None:
    try:
        fail_twice()
    except ValueError as error:
        raise RuntimeError("what somebody wrote") from error


def test_stack_trace_names_each_cause_and_quotes_none() -> None:
    with pytest.raises(RuntimeError) as raised:
        fail_of_a_cause()
    stack = stack_trace(raised.value)
    # A line of the code is shown, as Python does: the text of an event is never one.
    assert stack.count("Traceback (most recent call last):") == 2
    assert [line for line in stack.splitlines() if line.endswith("Error")] == ["ValueError", "RuntimeError"]
    assert ": what somebody wrote" not in stack
    raised.value.__cause__ = raised.value
    assert stack_trace(raised.value).count("Traceback") == 1


def test_last_logs_are_written_in_spite_of_wrong_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPT_WORKER_LOG_FORMAT", "loud")
    configure_last_logs()
    log.critical("why")
    monkeypatch.setenv("PROMPT_WORKER_LOG_FORMAT", "text")
    configure_last_logs()
    log.critical("why", extra={"fields": {"stack_trace": "where"}})
    as_json, as_text, stack = capsys.readouterr().err.splitlines()
    assert json.loads(as_json)["message"] == "why"
    assert as_text.endswith("CRITICAL why")
    assert stack == "where"


def test_log_level_is_a_setting_that_an_argument_overrides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPT_WORKER_LOG_LEVEL", "ERROR")
    configure_logs()
    log.warning("not this")
    configure_logs("INFO")
    log.info("this")
    assert [line["message"] for line in written(capsys)] == ["this"]


def test_text_logs_are_coloured_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPT_WORKER_LOG_FORMAT", "text")
    configure_logs()
    log.error("plain")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("PROMPT_WORKER_LOG_FORMAT")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logs()
    log.error("coloured")
    plain, coloured = capsys.readouterr().err.splitlines()
    assert plain.endswith("ERROR   plain")
    assert "\033[31mERROR" in coloured


@pytest.mark.parametrize("setting", ["PROMPT_WORKER_LOG_LEVEL", "PROMPT_WORKER_LOG_FORMAT"])
def test_wrong_log_setting_is_named(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting, "loud")
    with pytest.raises(SettingsError, match=setting):
        configure_logs()
