"""Logs and metrics: the names of both are declared here."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Literal, get_args

from opentelemetry import metrics

Metric = Literal[
    "events",  # settled events, by outcome
    "rejections",  # rejected events, by error class
    "replaced_characters",  # NULs and lone surrogates that became U+FFFD
    "batches",  # batches, by why they were flushed
    "retries",  # database transactions tried again, by SQLSTATE
    "violations",  # recorded violations, by type of guardrail and source
    "unusable_guardrails",  # looks at a guardrail whose config cannot be used, by its name
    "alerts",  # violations told to the topic of alerts
    "alert_errors",  # publishes of alerts that failed, by error
    "pull_errors",  # pulls that failed, by status code
    "settle_errors",  # messages whose acknowledgement or lease extension failed, by status code
]

_meter = metrics.get_meter("prompt_worker")
_counters = {name: _meter.create_counter(f"prompt_worker.{name}") for name in get_args(Metric)}


def count(metric: Metric, amount: int = 1, **labels: str) -> None:
    _counters[metric].add(amount, labels)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in the shape that Cloud Logging reads."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "severity": record.levelname,
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            # The name alone: an exception's text may quote what it choked on.
            entry["exception"] = record.exc_info[0].__name__
        return json.dumps(entry, default=str)


def configure_logs(level: str = "INFO") -> None:
    """JSON on standard error, or plain text on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty() and os.environ.get("PROMPT_WORKER_LOG_FORMAT") != "json":
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
