"""Logs: JSON lines as Cloud Logging reads them, or coloured text on a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field
from opentelemetry.trace import get_current_span

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.settings import read

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_COLOURS = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
# https://docs.cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
_SPECIAL = "logging.googleapis.com/"


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Annotated[
        Level, Meta(description="the least severe level that is logged; `--log-level` comes first")
    ] = field(name="PROMPT_WORKER_LOG_LEVEL", default="INFO")
    format: Annotated[
        Literal["json", "text"] | None,
        Meta(
            extra={"default": "`text` on a terminal, else `json`"},
            description="`json` as Cloud Logging reads it, a line each, or `text` for people",
        ),
    ] = field(name="PROMPT_WORKER_LOG_FORMAT", default=None)
    project: Annotated[
        str | None,
        Meta(
            extra={"or": "GOOGLE_CLOUD_PROJECT"},
            description="the Google Cloud project of the traces that JSON lines name",
        ),
    ] = field(name="PUBSUB_PROJECT_ID", default=None)


def configure_logs(level: Level | None = None) -> None:
    """Logs to standard error, from `level` or else the level that is set. Raises `SettingsError`."""
    _configure(read(LogSettings), level)


def configure_last_logs(level: Level | None = None) -> None:
    """As `configure_logs`, but with the defaults where the settings are wrong, which may be what is to be logged."""
    try:
        configure_logs(level)
    except SettingsError:
        _configure(LogSettings(), level)


def _configure(settings: LogSettings, level: Level | None) -> None:
    handler = logging.StreamHandler(sys.stderr)
    terminal = sys.stderr.isatty()
    if (settings.format or ("text" if terminal else "json")) == "json":
        handler.setFormatter(JsonFormatter(settings.project))
    else:
        handler.setFormatter(TextFormatter(colours=terminal and "NO_COLOR" not in os.environ))
    logging.basicConfig(level=level or settings.level, handlers=[handler], force=True)


def stack_trace(error: BaseException) -> str:
    """Where the error and its causes were raised, as Python prints it; each by its class alone.

    An error's message may quote an event.
    """
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n\n".join(
        f"Traceback (most recent call last):\n{''.join(traceback.format_tb(one.__traceback__))}{type(one).__name__}"
        for one in reversed(chain)
    )


class JsonFormatter(logging.Formatter):
    """A JSON object with the ids of the trace and the span that it was logged in.

    From WARNING on it also has the place in the code. An exception is named, never quoted.
    """

    def __init__(self, project: str | None) -> None:
        super().__init__()
        self._trace_prefix = f"projects/{project}/traces/" if project else ""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            # The name alone: an exception's text may quote an event.
            entry["exception"] = record.exc_info[0].__name__
        span = get_current_span().get_span_context()
        if span.is_valid:
            entry[f"{_SPECIAL}trace"] = f"{self._trace_prefix}{span.trace_id:032x}"
            entry[f"{_SPECIAL}spanId"] = f"{span.span_id:016x}"
            entry[f"{_SPECIAL}trace_sampled"] = span.trace_flags.sampled
        if record.levelno >= logging.WARNING:
            entry[f"{_SPECIAL}sourceLocation"] = {
                "file": record.filename,
                "line": str(record.lineno),
                "function": record.funcName,
            }
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """A line for people, with the stack trace where there is one. An exception is named, never quoted."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._colours = _COLOURS if colours else {}

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname:<7}"
        if colour := self._colours.get(record.levelname):
            level = f"\033[{colour}m{level}\033[0m"
        line = f"{datetime.fromtimestamp(record.created):%H:%M:%S} {level} {record.getMessage()}"  # noqa: DTZ006
        exception = record.exc_info and record.exc_info[0]
        if exception:
            line = f"{line} ({exception.__name__})"
        stack = getattr(record, "fields", {}).get("stack_trace")
        return f"{line}\n{stack}" if stack else line
