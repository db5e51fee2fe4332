"""deploy/terraform as Terraform plans and applies it, against the real provider's schema and a project in memory.

Not run here: Google's own checks of what it is sent, and its IAM.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.deployment import TERRAFORM, terraform
from tests.support.google_provider.cloud import Cloud
from tests.support.google_provider.package import schemas
from tests.support.terraform import Terraform, deployed, kinds

POOL, SERVICE = "google_cloud_run_v2_worker_pool", "google_cloud_run_v2_service"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Terraform, Cloud]]:
    with deployed(tmp_path) as started:
        yield started


def test_every_argument_is_one_of_the_provider() -> None:
    """Without Terraform: names and required arguments, from the same schema."""
    known = schemas(kinds())
    blocks = terraform() | terraform(TERRAFORM.parent / "monitoring")
    checked = [
        problem
        for address, block in blocks.items()
        if (kind := address.rpartition(".")[0]) in known
        for problem in problems(address, block, known[kind])
    ]
    assert checked == []


def problems(where: str, block: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    given = dict(block)
    for dynamic in given.pop("dynamic", []):
        for name, body in dynamic.items():
            given[name] = [*given.get(name, []), *body["content"]]
    for name, value in given.items():
        if name in schema["blocks"]:
            for inner in value:
                yield from problems(f"{where}.{name}", inner, schema["blocks"][name])
        elif name not in schema["attributes"] and name not in (
            "count",
            "for_each",
            "lifecycle",
            "depends_on",
        ):
            yield f"{where} has no {name}"
        elif name in schema["attributes"] and not (
            schema["attributes"][name]["optional"] or schema["attributes"][name]["required"]
        ):
            yield f"{where}.{name} cannot be given"
    required = {name for name, attribute in schema["attributes"].items() if attribute["required"]}
    yield from (f"{where} lacks {name}" for name in required - given.keys())


def changed_by_gcloud(cloud: Cloud) -> None:
    """What deploy/deploy.sh leaves behind: another image, gcloud's name, and the label that forces a revision."""
    for kind, state in cloud.resources.values():
        if kind in (POOL, SERVICE, "google_cloud_run_v2_job"):
            state |= {"client": "gcloud", "client_version": "572.0.0"}
            (template,) = state["template"]
            template |= {"labels": {"client.knative.dev/nonce": "abc"}, "annotations": {"user-image": "x"}}
            template.get("template", [template])[0]["containers"][0]["image"] = "another"


@pytest.mark.needs("terraform")
def test_dev_is_made_in_two_steps_stays_and_goes_whole(project: tuple[Terraform, Cloud]) -> None:
    terraform_, cloud = project
    terraform_.apply("dev", "deployed=false")
    assert [cloud.names(kind) for kind in (POOL, SERVICE)] == [set(), set()]
    terraform_.apply("dev")
    assert instances(cloud) == {
        "executions": 0, "guardrails": 0, "feedback": 0, "dead-letters": 1, "experiments": 0,
    }  # fmt: skip
    assert pushing(cloud) == PUSHED
    changed_by_gcloud(cloud)
    assert terraform_.changes("dev") == ""
    terraform_.destroy("dev")
    assert cloud.resources == {}


def instances(cloud: Cloud) -> dict[str, int]:
    pools = (state for kind, state in cloud.resources.values() if kind == POOL)
    return {
        state["name"].removeprefix("prompt-worker-"): state["scaling"][0]["manual_instance_count"]
        for state in pools
    }


def pushing(cloud: Cloud) -> set[str]:
    return {state["name"] for _, state in cloud.resources.values() if state.get("push_config")}


ONE = "{min=1,max=1}"
FIXED = (
    "instances={executions={min=3,max=3},guardrails={min=1,max=2},"
    f"feedback={ONE},dead-letters={ONE},experiments={ONE}}}"
)
PUSHED = {"prompt-executions-writer", "prompt-executions-guardrails", "prompt-feedback-writer"}


@pytest.mark.needs("terraform")
def test_delivery_and_scaling_are_switched_there_and_back(project: tuple[Terraform, Cloud]) -> None:
    terraform_, cloud = project
    terraform_.apply("staging")
    cloud.of(POOL, "prompt-worker-guardrails")["scaling"][0]["manual_instance_count"] = 2
    # The autoscaler's number is its own.
    assert terraform_.changes("staging") == ""
    # A number without an autoscaler is Terraform's; the scaler stays for the other pool.
    terraform_.apply("staging", FIXED)
    assert instances(cloud) == {
        "executions": 3, "guardrails": 2, "feedback": 1, "dead-letters": 1, "experiments": 1,
    }  # fmt: skip
    assert "prompt-worker-scaler" in cloud.names(SERVICE)
    terraform_.apply("staging", "delivery=push")
    assert instances(cloud) == {
        "executions": 0, "guardrails": 0, "feedback": 0, "dead-letters": 1, "experiments": 1,
    }  # fmt: skip
    assert "prompt-worker-scaler" not in cloud.names(SERVICE)
    assert pushing(cloud) == PUSHED
    terraform_.apply("staging")
    assert "prompt-worker-scaler" in cloud.names(SERVICE)
    assert pushing(cloud) == set()
    assert terraform_.changes("staging") == ""


@pytest.mark.needs("terraform")
def test_production_warns_and_refuses_to_stop_consuming(
    project: tuple[Terraform, Cloud],
) -> None:
    terraform_, cloud = project
    terraform_.run("validate", "-no-color")
    assert "alerts of production notify nobody" in terraform_.apply("production")
    assert "notify nobody" not in terraform_.apply(
        "production", 'notification_channels=["c"]', "archive=false"
    )
    containers = cloud.of(POOL, "prompt-worker-executions")["template"][0]["containers"]
    config = YAML(typ="safe").load(containers[1]["env"][0]["value"])
    assert config["processors"]["resource"]["attributes"][0]["value"] == "europe-west1"
    # What is in the archive stays.
    assert "prompt-executions-archive" not in cloud.names("google_pubsub_subscription")
    assert "prompt_archive" in {state.get("dataset_id") for _, state in cloud.resources.values()}
    refused = terraform_.apply("production", "deployed=false", code=1)
    assert "without setting deletion_protection=false" in refused
    assert {"prompt-worker-executions", "prompt-worker-guardrails"} <= cloud.names(POOL)
