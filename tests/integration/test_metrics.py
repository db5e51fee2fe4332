"""A worker's metrics page reports what happened, under the names and labels that are declared."""

from __future__ import annotations

import socket
from contextlib import closing
from urllib.request import urlopen

import psycopg2
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from queries import rows, scalar
from sqlalchemy import Engine

from prompt_worker.platform.telemetry.metrics import ABOUT, exported_name
from tests.support.collector import Collector
from tests.support.events import bodies, body
from tests.support.experimenting import add_experiment, add_versions, execution, insert
from tests.support.guardrails import WORD, Guarding
from tests.support.pipeline import Pipeline, wait_until
from tests.support.probing import probe
from tests.support.worker_process import WorkerProcess

SCRAPED = {exported_name(metric).removesuffix("_total"): about for metric, about in ABOUT.items()}
EVERYWHERE = {"worker", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url", "le"}


class Endpoint:
    """The metrics page of a worker that is started with `settings`."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.settings = {"PROMPT_WORKER_METRICS_PORT": str(self.port)}

    def scrape(self) -> list[Metric]:
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def value(self, sample_name: str, **labels: str) -> float:
        """The sum of all samples with these labels."""
        return sum(
            sample.value
            for family in self.scrape()
            for sample in family.samples
            if sample.name == sample_name and labels.items() <= sample.labels.items()
        )


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def check_declared(families: list[Metric]) -> None:
    ours = [family for family in families if family.name.startswith("prompt_worker")]
    assert ours
    for family in ours:
        for sample in family.samples:
            assert set(sample.labels) - EVERYWHERE == set(SCRAPED[family.name].labels), sample


@pytest.mark.embedded_only
def test_execution_worker_counts_each_event_by_outcome(pipeline: Pipeline, endpoint: Endpoint) -> None:
    good = bodies(250)
    with pipeline.worker(**endpoint.settings) as worker:
        pipeline.publish([*good, body(status="?")], **{"ce-time": "2026-01-01T00:00:00Z"})
        pipeline.wait_for_rows(250)
        pipeline.publish(good[:100])
        worker.wait_for(lambda w: w.totals.get("duplicate", 0) == 100)
        outcomes = {"written": 250, "duplicate": 100, "dead-lettered": 1}
        for outcome, number in outcomes.items():
            assert (
                endpoint.value("prompt_worker_events_total", outcome=outcome, worker="executions") == number
            )
        assert endpoint.value("prompt_worker_dead_letters_total", error_class="invalid_field") == 1
        assert endpoint.value("prompt_worker_batch_size_sum") == 351
        batches = endpoint.value("prompt_worker_batch_size_count")
        assert endpoint.value("prompt_worker_handling_seconds_count") == batches
        assert endpoint.value("prompt_worker_write_seconds_count") >= 2
        since_published = endpoint.value("prompt_worker_end_to_end_seconds_sum", since="published")
        assert (
            0
            < since_published / endpoint.value("prompt_worker_end_to_end_seconds_count", since="published")
            < 20
        )
        assert endpoint.value("prompt_worker_end_to_end_seconds_sum", since="executed") > 1_000_000
        assert endpoint.value("prompt_worker_messages_in_hand") == 0
        check_declared(endpoint.scrape())
        assert worker.terminate()[0] == 0


@pytest.mark.embedded_only
def test_guardrail_worker_counts_checks_and_violations_by_kind(
    pipeline: Pipeline, endpoint: Endpoint
) -> None:
    guarding = Guarding(pipeline)
    guarding.add_guardrail()
    reported = [
        {"guardrail_name": "theirs", "guardrail_type": "their own type", "severity": "their own words"}
    ]
    with pipeline.guardrail_worker(**endpoint.settings) as worker:
        pipeline.publish([*bodies(50), body(rendered_prompt=WORD), body(guardrail_violations=reported)])
        pipeline.wait_for_evaluations(52)
        wait_until(
            lambda: endpoint.value("prompt_worker_evaluations_total") == 52, 5, lambda: str(endpoint.scrape())
        )
        assert endpoint.value("prompt_worker_checks_total", guardrail="policy") == 52
        stored = len(guarding.violations("source = 'worker'"))
        assert (
            endpoint.value("prompt_worker_violations_total", guardrail_type="content_policy", source="worker")
            == stored
        )
        # A label holds nothing that a service wrote.
        assert endpoint.value("prompt_worker_violations_total", guardrail_type="other", severity="other") == 1
        check_declared(endpoint.scrape())
        assert worker.terminate()[0] == 0


@pytest.mark.embedded_only
def test_age_in_flight_grows_while_the_database_delays_a_batch(
    pipeline: Pipeline, endpoint: Endpoint
) -> None:
    with pipeline.worker(**endpoint.settings) as worker:
        pipeline.publish(bodies(10))
        pipeline.wait_for_rows(10)
        with closing(psycopg2.connect(pipeline.database)) as lock:
            lock.cursor().execute("LOCK TABLE prompt_executions IN EXCLUSIVE MODE")
            pipeline.publish(bodies(10))
            wait_until(
                lambda: endpoint.value("prompt_worker_messages_in_hand") == 10,
                10,
                lambda: "nothing in flight",
            )
            first = endpoint.value("prompt_worker_oldest_in_hand_seconds")
            wait_until(
                lambda: endpoint.value("prompt_worker_oldest_in_hand_seconds") > first + 0.5,
                5,
                lambda: str(first),
            )
        pipeline.wait_for_rows(20)
        wait_until(
            lambda: endpoint.value("prompt_worker_oldest_in_hand_seconds") == 0, 5, lambda: "still in flight"
        )
        assert worker.terminate()[0] == 0


@pytest.mark.embedded_only
def test_collector_gets_the_same_metrics_apart_by_worker(pipeline: Pipeline) -> None:
    with Collector() as collector:
        with pipeline.worker(**collector.settings) as first, pipeline.worker(**collector.settings) as second:
            pipeline.publish(bodies(10))
            pipeline.wait_for_rows(10)
            assert first.terminate()[0] == second.terminate()[0] == 0
        names = set(collector.metric_names())
    assert {"prompt_worker_events_total", "prompt_worker_end_to_end_seconds"} <= names
    assert names <= {exported_name(metric) for metric in ABOUT}
    assert len(collector.instances()) == 2


@pytest.mark.embedded_only
def test_one_port_answers_probes_and_metrics(pipeline: Pipeline, endpoint: Endpoint) -> None:
    both = {"PROMPT_WORKER_PROBE_PORT": str(endpoint.port)}
    with pipeline.worker(**endpoint.settings | both) as worker:
        worker.wait_for(lambda _: probe(endpoint.port, "/readyz") == (200, "ready\n"))
        assert probe(endpoint.port, "/healthz") == (200, "alive\n")
        assert probe(endpoint.port, "/") == (404, "no such page\n")
        pipeline.publish(bodies(10))
        pipeline.wait_for_rows(10)
        assert endpoint.value("prompt_worker_batch_size_sum") == 10
        assert worker.terminate()[0] == 0


@pytest.mark.embedded_only
def test_push_port_answers_metrics_too_when_it_is_theirs(pipeline: Pipeline, endpoint: Endpoint) -> None:
    settings = {"PORT": str(endpoint.port), "PROMPT_WORKER_PUSH_WITHOUT_TOKEN": "true"}
    with pipeline.command("serve", **endpoint.settings | settings) as service:
        service.wait_for(lambda _: probe(endpoint.port, "/readyz") == (200, "ready\n"))
        check_declared(endpoint.scrape())
        assert service.terminate()[0] == 0


def test_taken_metrics_port_is_named_at_the_start(pipeline: Pipeline) -> None:
    with (
        socket.create_server(("0.0.0.0", 0)) as taken,
        pipeline.worker(PROMPT_WORKER_METRICS_PORT=str(taken.getsockname()[1])) as worker,
    ):
        assert worker.wait() == 78
    assert "PROMPT_WORKER_METRICS_PORT" in worker.output
    assert "Traceback" not in worker.output


@pytest.mark.embedded_only
def test_evaluator_counts_looks_and_says_how_old_the_oldest_is(
    engine: Engine, database: str, endpoint: Endpoint
) -> None:
    add_versions(engine)
    experiment = add_experiment(engine)
    wrong = {"ab_test_group": "variant_a", "version": 1}
    insert(engine, [execution(experiment, f"u{number}", **wrong) for number in range(9)])
    # Its look fails, and keeps no other.
    add_versions(engine, name="second")
    rows(
        engine,
        "INSERT INTO ab_test_experiments (name, template_name, status, arms, traffic_allocation, primary_metric, "
        "actual_start_date) SELECT 'unknown metric', 'second', 'active', "
        "jsonb_object_agg(CASE version WHEN 1 THEN 'control' ELSE 'b' END, id), '{}', 'clicks', now() "
        "FROM prompt_templates WHERE name = 'second'",
    )
    settings = endpoint.settings | {"DATABASE_URL": database, "PROMPT_WORKER_PROBE_PORT": str(endpoint.port)}
    with WorkerProcess(settings, "-m", "prompt_worker", "run", "experiments") as evaluator:
        evaluator.wait_for(lambda _: scalar(engine, "SELECT count(*) FROM ab_test_looks"))
        evaluator.wait_for(lambda worker: "was not looked at" in worker.output)
        assert endpoint.value("prompt_worker_look_errors_total", error="ExperimentError") == 1
        assert probe(endpoint.port, "/readyz") == (200, "ready\n")
        check_declared(endpoint.scrape())
        found = {"worker": "experiments", "verdict": "invalid"}
        assert endpoint.value("prompt_worker_looks_total", **found) == 1
        assert endpoint.value("prompt_worker_experiment_alerts_total", **found) == 1
        assert endpoint.value("prompt_worker_experiments", **found) == 1
        assert endpoint.value("prompt_worker_experiments", verdict="winner") == 0
        assert endpoint.value("prompt_worker_look_seconds_count") == 1
        assert 0 < endpoint.value("prompt_worker_oldest_look_seconds") < 60
        assert evaluator.terminate()[0] == 0
    assert "unknown metric was not looked at: no metric is named clicks" in evaluator.output


WITHOUT_EXTRA = """
import sys
sys.modules["opentelemetry.exporter.prometheus"] = None
from prompt_worker.commands.cli import main
sys.exit(main(["run", "executions"]))
"""


def test_missing_exporter_names_its_extra(pipeline: Pipeline, endpoint: Endpoint) -> None:
    with pipeline.worker_program(WITHOUT_EXTRA, **endpoint.settings) as worker:
        assert worker.wait() == 78
    assert "pip install 'prompt-worker[telemetry]'" in worker.ending["message"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PROMPT_WORKER_METRICS_PORT", "0"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("PROMPT_WORKER_LOG_LEVEL", "LOUD"),
    ],
)
def test_wrong_telemetry_setting_is_named(pipeline: Pipeline, setting: str, value: str) -> None:
    with pipeline.worker(**{setting: value}) as worker:
        assert worker.wait() == 78
    assert setting in worker.ending["message"]
