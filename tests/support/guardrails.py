"""A guardrail handler on real services, and what it wrote: violations, counters, alerts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Outcome
from prompt_worker.guardrails.finding import HashKey
from prompt_worker.guardrails.recording.alerts import AlertTopic
from prompt_worker.guardrails.recording.handler import GuardrailHandler
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.pubsub.topic import Topic
from tests.support.pipeline import HMAC_KEY, Pipeline

WORD = "zanzibar"  # triggers the guardrail of `add_guardrail`, and no other
KEY = HashKey("test", HMAC_KEY.encode())


class Guarding:
    """Handlers, as the worker runs them, and a subscription to their alerts."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        names = pipeline.topology.names
        self.alert_topic = pipeline.topology.topic_path(names.violations_topic)
        self._alerts = pipeline.topology.subscription_path(f"alerts-{uuid4().hex[:8]}")
        pipeline.subscriber.create_subscription(name=self._alerts, topic=self.alert_topic)

    @contextmanager
    def handler(self, refresh_seconds: float = 0.0, key: HashKey | None = KEY) -> Iterator[GuardrailHandler]:
        engine = connect(self.pipeline.database, application_name="tests")
        stop = threading.Event()
        topic = Topic(self.pipeline.publisher, self.alert_topic)
        try:
            yield GuardrailHandler(
                engine, AlertTopic(topic, stop), stop, refresh_seconds=refresh_seconds, key=key
            )
        finally:
            engine.dispose()

    def handle(self, *bodies: bytes) -> list[Outcome]:
        """By a new handler."""
        with self.handler() as handler:
            return handler(messages(*bodies))

    def alerts(self, count: int, seconds: float = 30) -> list[PubsubMessage]:
        return self.pipeline.pull_all(self._alerts, count, seconds)

    def add_guardrail(self, name: str = "policy", **columns: Any) -> str:
        """A content policy that forbids `WORD`; its id."""
        values = {
            "name": name,
            "guardrail_type": "content_policy",
            "severity": "low",
            "action": "warn",
            "config": {"words": [WORD]},
        } | columns
        values["config"] = json.dumps(values["config"])
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        [(guardrail_id,)] = self.pipeline.query(
            f"INSERT INTO prompt_guardrails ({names}) VALUES ({places}) RETURNING id::text", *values.values()
        )
        return str(guardrail_id)

    def violations(self, where: str = "true") -> list[dict[str, Any]]:
        rows = self.pipeline.query(
            f"SELECT to_jsonb(v) FROM guardrail_violations v WHERE {where} "
            "ORDER BY event_id, guardrail_name, field, span_start"
        )
        return [row for (row,) in rows]

    def counters(self, name: str = "policy") -> tuple[int, int, int]:
        """Checks, violations, false positives."""
        [counted] = self.pipeline.query(
            "SELECT s.total_checks, s.violation_count, s.false_positive_count "
            "FROM prompt_guardrails g JOIN v_guardrail_statistics s USING (id) WHERE g.name = %s",
            name,
        )
        return counted  # type: ignore[return-value]


def messages(*bodies: bytes, attributes: Mapping[str, str] | None = None) -> list[Message]:
    return [Message(body, attributes or {}, f"ack-{n}") for n, body in enumerate(bodies)]
