"""From an event to an alert: a worker finds something, a real Prometheus scrapes it, and the policy's rule fires."""

from __future__ import annotations

import re

import pytest

from prompt_worker.local.servers.server import free_port
from tests.dashboard.prometheus import check_alerts, started
from tests.dashboard.queries import POLICIES
from tests.support.deployment import resources
from tests.support.events import bodies, body
from tests.support.guardrails import WORD, Guarding
from tests.support.pipeline import Pipeline, wait_until


@pytest.mark.needs("prometheus")
@pytest.mark.embedded_only
def test_first_critical_violation_of_an_instance_is_an_alert(pipeline: Pipeline) -> None:
    check_alerts()
    Guarding(pipeline).add_guardrail(severity="critical")
    port = free_port()
    with (
        pipeline.guardrail_worker(PROMPT_WORKER_METRICS_PORT=str(port)),
        started({"guardrails": port}) as prometheus,
    ):
        pipeline.publish(bodies(20))
        events = "sum(prompt_worker_events_total)"
        wait_until(lambda: value(prometheus.now(events)) == 20, 30, lambda: str(prometheus.now(events)))
        alerts = 'ALERTS{alertname="PromptWorkerCriticalViolations", alertstate="firing"}'
        assert prometheus.now(alerts) == []
        # One is enough, though its counter was not there before it.
        pipeline.publish([body(model_response=f"to {WORD}")])
        wait_until(
            lambda: prometheus.now(alerts), 30, lambda: str(prometheus.now("prompt_worker_violations_total"))
        )


def value(series: list[dict[str, object]]) -> float:
    return sum(float(one["value"][1]) for one in series)  # type: ignore[index]


def test_every_scheduled_job_is_watched() -> None:
    (pattern,) = re.findall(
        r'full_match\(\\"(prompt-worker-[^"\\]+)\\"\)', (POLICIES / "scheduled-jobs.json").read_text()
    )
    started_by = [str(block["http_target"]) for block in resources("google_cloud_scheduler_job").values()]
    jobs = [re.findall(r'google_cloud_run_v2_job\.job\["([\w-]+)"\]', target)[0] for target in started_by]
    assert [job for job in jobs if not re.fullmatch(pattern, f"prompt-worker-{job}")] == []
