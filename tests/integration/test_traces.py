"""One trace from the publishing service through both workers, across real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.support.collector import Collector
from tests.support.events import body
from tests.support.guardrails import WORD, Guarding
from tests.support.pipeline import Pipeline
from tests.support.timing import STOP_SECONDS

# A service with OpenTelemetry: each of its requests is a trace, of which it samples some.
SERVICE = """
import json, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prompt_worker import ExecutionEvent, Publisher

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
with Publisher() as publisher, trace.get_tracer("service").start_as_current_span("request") as span:
    event = ExecutionEvent(
        template_name="nlu_topic_extraction", template_version=1, input_variables={},
        rendered_prompt=sys.argv[1], status="success",
    )
    publisher.publish(event)
provider.shutdown()
print(json.dumps({"event_id": str(event.event_id), "trace_id": f"{span.get_span_context().trace_id:032x}"}))
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as opened:
        yield opened


def publish_from_a_service(
    pipeline: Pipeline, collector: Collector, prompt: str, **settings: str
) -> dict[str, str]:
    """One event in a trace; its `event_id` and the `trace_id`."""
    ended = subprocess.run(
        [sys.executable, "-c", SERVICE, prompt],
        env={**os.environ}
        | pipeline.environment
        | collector.settings
        | {"OTEL_SERVICE_NAME": "service", **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    ids: dict[str, str] = json.loads(ended.stdout)
    return ids


@pytest.mark.embedded_only
def test_trace_id_leads_from_publisher_to_row_and_violations(
    pipeline: Pipeline, collector: Collector
) -> None:
    guarding = Guarding(pipeline)
    guarding.add_guardrail()
    with (
        pipeline.worker(**collector.settings) as executions,
        pipeline.guardrail_worker(**collector.settings) as guardrails,
    ):
        ids = publish_from_a_service(pipeline, collector, f"a prompt with {WORD}")
        unsampled = publish_from_a_service(pipeline, collector, WORD, OTEL_TRACES_SAMPLER="always_off")
        evaluating, writing, publishing, request = collector.wait_for_spans(ids["trace_id"], 4)
        pipeline.wait_for_rows(2)
        pipeline.wait_for_evaluations(2)
        for worker in (executions, guardrails):
            assert worker.terminate()[0] == 0

    # The publisher's span is the service's child, and the workers' are the publisher's.
    assert (request.parent, publishing.parent) == ("", request.id)
    assert {writing.parent, evaluating.parent} == {publishing.id}
    assert (writing.service, evaluating.service) == ("prompt-worker-executions", "prompt-worker-guardrails")
    # To the row …
    assert pipeline.query(
        "SELECT status FROM prompt_executions WHERE id = %s", writing.attributes["prompt_worker.event_id"]
    ) == [("success",)]
    assert publishing.attributes["prompt_worker.event_id"] == ids["event_id"]
    assert writing.attributes["prompt_worker.consuming.outcome"] == "written"
    assert publishing.attributes["messaging.message.id"] == writing.attributes["messaging.message.id"]
    # … to the violations …
    reported = {
        attributes["prompt_worker.violation_id"]
        for name, attributes in evaluating.events
        if name == "violation"
    }
    stored = pipeline.query("SELECT id FROM guardrail_violations WHERE event_id = %s", ids["event_id"])
    assert {UUID(one) for one in reported} == {UUID(one) for (one,) in stored} != set()
    # … and to the batches that they were in.
    batches = [span for span in collector.spans if span.name.startswith("batch")]
    assert sorted(link for batch in batches for link in batch.links) == [publishing.id] * 2
    assert sorted(writing.links + evaluating.links) == sorted(batch.id for batch in batches)
    # What a service does not sample costs no span.
    assert [span for span in collector.spans if span.trace_id == unsampled["trace_id"]] == []


@pytest.mark.embedded_only
def test_unavailable_collector_neither_slows_nor_stops_a_worker(pipeline: Pipeline) -> None:
    with Collector() as collector:
        unavailable = collector.settings
    with pipeline.worker(**unavailable) as worker:
        pipeline.publish([body()], traceparent=f"00-{'1' * 32}-{'2' * 16}-01")
        pipeline.wait_for_rows(1)
        code, seconds = worker.terminate()
    assert code == 0
    assert seconds < STOP_SECONDS
