"""P7: no prompt text, personal data or password in a log line, an error, a metric or an attribute."""

from __future__ import annotations

import json

from google.pubsub_v1.types import PubsubMessage

from tests.faults.test_bad_input import BAD
from tests.support.collector import Collector
from tests.support.events import body, with_raw
from tests.support.pipeline import Pipeline

PASSWORD = "hunter2-hunter2"
SAMPLED = f"00-{'1' * 32}-{'2' * 16}-01"
TEXT = "Ana Lima 123-45-6789"

# The worker with its metrics collected and printed at its end, as an exporter would send them.
WITH_METRICS = """
import sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
from prompt_worker.commands.cli import main
code = main(["run", "executions", "--log-level", "DEBUG"])
print("METRICS " + reader.get_metrics_data().to_json(indent=None), flush=True)
sys.exit(code)
"""


def test_nothing_that_people_wrote_leaves_the_row(pipeline: Pipeline) -> None:
    good = [
        body(
            rendered_prompt=TEXT,
            model_response=TEXT,
            user_id=TEXT,
            error_message=TEXT,
            input_variables={TEXT: TEXT},
        )
        for _ in range(200)
    ]
    replaced = body(rendered_prompt=TEXT + "\0\0", user_id=TEXT + "\0")
    refused = with_raw(
        "input_variables", json.dumps({"a": TEXT}).encode()[:-1] + b', "b": 1e200000}', rendered_prompt=TEXT
    )
    bad = [body(status=TEXT), body(event_id=TEXT), body(cost_usd=TEXT, rendered_prompt=TEXT), TEXT.encode()]
    # The second delivery of each meets its row: PostgreSQL's message would quote its key.
    pipeline.publish([*good, replaced, refused, *bad], traceparent=SAMPLED)
    pipeline.publish(good, traceparent=SAMPLED)
    pipeline.publish_messages(
        [
            PubsubMessage(data=one.body, attributes={"ce-source": "tests"} | one.attributes)
            for one in BAD.values()
        ]
    )
    url = pipeline.database.replace("postgres@", f"postgres:{PASSWORD}@")
    key = {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={PASSWORD}"}
    with (
        Collector() as collector,
        pipeline.worker_program(WITH_METRICS, DATABASE_URL=url, **collector.settings, **key) as worker,
    ):
        pipeline.wait_for_rows(201)
        letters = pipeline.dead_letters(len(bad) + 1 + len(BAD))
        pipeline.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'prompt-worker%'"
        )
        pipeline.publish(good, traceparent=SAMPLED)
        worker.wait_for(lambda w: w.totals.get("duplicate", 0) >= 400)
        assert worker.terminate()[0] == 0
    metrics = next(line for line in worker.output.splitlines() if line.startswith("METRICS"))
    assert counted(metrics, "prompt_worker_replaced_characters_total") == 3
    assert counted(metrics, "prompt_worker_dead_letters_total") == len(bad) + 1 + len(BAD)
    attributes = str([dict(letter.attributes) for letter in letters])
    outcomes = {span.attributes.get("prompt_worker.consuming.outcome") for span in collector.spans}
    assert {"written", "duplicate", "rejected: invalid_field"} <= outcomes
    for written in (worker.output, attributes, str(collector.traces)):
        for secret in (PASSWORD, *TEXT.split(" ", 1), "Ana", "student_query"):
            assert secret not in written


def counted(metrics: str, name: str) -> int:
    document = json.loads(metrics.removeprefix("METRICS "))
    return sum(
        point["value"]
        for resource in document["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
        if metric["name"] == name
        for point in metric["data"]["data_points"]
    )
