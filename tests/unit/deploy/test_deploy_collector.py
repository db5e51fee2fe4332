"""The collector's configuration: what a worker sends arrives at Google, and a fault in it ends the deployment."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML

from tests.support.deployment import TERRAFORM, resources, terraform

CONFIG: dict[str, Any] = YAML(typ="safe").load((TERRAFORM / "collector.yaml").read_text())
# Where each signal of ours goes; `debug`, which the image's own configuration has, only logs.
GOOGLE = {"metrics": ["googlemanagedprometheus"], "traces": ["googlecloud"]}


def collectors() -> list[dict[str, Any]]:
    return [
        one["containers"]["content"][0]
        for kind in ("worker_pool", "service")
        for name, block in resources(f"google_cloud_run_v2_{kind}").items()
        if name != "scaler"
        for one in block["template"][0]["dynamic"]
        if "containers" in one
    ]


def test_metrics_and_traces_are_exported_to_google() -> None:
    pipelines = CONFIG["service"]["pipelines"]
    assert {signal: pipeline["exporters"] for signal, pipeline in pipelines.items()} == GOOGLE
    for pipeline in pipelines.values():
        assert pipeline["receivers"] == ["otlp"]
        assert pipeline["processors"][0] == "memory_limiter"
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(CONFIG[part])
    for part in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[part]}
        assert used == set(CONFIG[part])


def test_it_listens_where_the_workers_send() -> None:
    sent = re.findall(r'OTEL_EXPORTER_OTLP_ENDPOINT\W+= "http://([^"]+)"', str(terraform()["local.traced"]))
    assert sent == [CONFIG["receivers"]["otlp"]["protocols"]["http"]["endpoint"]]


def test_every_collector_is_given_it_and_asked_whether_it_runs() -> None:
    assert "collector.yaml" in str(terraform()["local.collectors"])
    assert len(collectors()) == 2
    (_, port) = CONFIG["extensions"]["health_check"]["endpoint"].split(":")
    assert CONFIG["service"]["extensions"] == ["health_check"]
    for collector in collectors():
        (variable,) = (env["name"] for env in collector["env"])
        assert collector["args"] == [f"--config=env:{variable}"]
        assert collector["startup_probe"][0]["http_get"] == [{"path": "/", "port": int(port)}]
