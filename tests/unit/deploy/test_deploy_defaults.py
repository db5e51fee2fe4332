"""Where a product's own default would be wrong, deploy/ says what it wants instead of leaving it out."""

from __future__ import annotations

import re
from typing import Any

from tests.support.deployment import CLOUD_BUILD, DEPLOY_README, TERRAFORM, resources, terraform
from tests.support.google_provider.cloud import PROTECTED

README = DEPLOY_README.read_text()
# By how the names of its resources begin: the API that must be enabled before Terraform can make one.
APIS = {
    "artifact_registry": "artifactregistry",
    "bigquery": "bigquery",
    "cloud_run": "run",
    "cloud_scheduler": "cloudscheduler",
    "monitoring": "monitoring",
    "parameter_manager": "parametermanager",
    "project": "cloudresourcemanager",
    "pubsub": "pubsub",
    "secret_manager": "secretmanager",
    "service_account": "iam",
    "storage": "storage",
}
# By the command of deploy/README.md that needs it.
APIS_OF_COMMANDS = {
    "gcloud builds": "cloudbuild",
    "gcloud compute": "compute",
    "gcloud logging": "logging",
    "gcloud services vpc-peerings": "servicenetworking",
    "gcloud sql": "sqladmin",
}


def cloud_run(kind: str) -> dict[str, dict[str, Any]]:
    """Without the autoscaler, whose image is Google's."""
    found = resources(f"google_cloud_run_v2_{kind}")
    return {name: block for name, block in found.items() if name != "scaler"}


def test_every_api_that_is_used_is_enabled_first() -> None:
    (enabling,) = re.findall(r"^gcloud services enable (.*?[^\\])$", README, re.MULTILINE | re.DOTALL)
    enabled = set(re.findall(r"([a-z]+)\.googleapis\.com", enabling))
    kinds = {
        re.sub(r"^(data\.)?google_", "", address.rpartition(".")[0])
        for folder in (TERRAFORM, TERRAFORM.parent / "monitoring")
        for address in terraform(folder)
        if re.match(r"(data\.)?google_", address)
    }
    needed = {api for command, api in APIS_OF_COMMANDS.items() if command in README}
    for kind in kinds:
        (api,) = {api for begin, api in APIS.items() if kind.startswith(begin)}
        needed.add(api)
    # What a collector writes to, and what `gcloud services enable` itself asks.
    assert needed | {"cloudtrace", "serviceusage"} == enabled


def test_everything_says_whether_it_may_be_deleted() -> None:
    unsaid = [
        f"{kind}.{name}"
        for kind in PROTECTED
        for name, block in resources(kind).items()
        if "deletion_protection" not in block
    ]
    unsaid += [
        f"{kind}.{name}"
        for kind in ("google_pubsub_topic", "google_pubsub_subscription")
        for name, block in resources(kind).items()
        # What writes the archive ends with it.
        if "deletion_policy" not in block and name != "archive"
    ]
    assert unsaid == []
    # It is deleted when nothing scales any more.
    assert resources("google_cloud_run_v2_service")["scaler"]["deletion_protection"] is False


def test_what_gcloud_changes_with_an_image_is_left_alone() -> None:
    for kind in ("worker_pool", "service", "job"):
        for block in cloud_run(kind).values():
            (lifecycle,) = block["lifecycle"]
            ignored = {re.sub(r"^\$\{|\}$", "", path) for path in lifecycle["ignore_changes"]}
            assert {"client", "client_version", "template[0].labels", "template[0].annotations"} < ignored
            assert any(path.endswith("containers[0].image") for path in ignored)
            # A number of instances is Terraform's, where no autoscaler sets it.
            assert not any("scaling" in path for path in ignored)


def test_every_service_says_how_its_cpu_is_billed() -> None:
    for block in resources("google_cloud_run_v2_service").values():
        (template,) = block["template"]
        dynamic = [
            one["containers"]["content"][0] for one in template.get("dynamic", []) if "containers" in one
        ]
        for container in [*template["containers"], *dynamic]:
            assert "cpu_idle" in container["resources"][0]


def test_clean_up_of_images_says_which_tags() -> None:
    (images,) = resources("google_artifact_registry_repository").values()
    assert images["cleanup_policy_dry_run"] is False
    for policy in images["cleanup_policies"]:
        assert all("tag_state" in condition for condition in policy.get("condition", []))


def test_no_forgotten_variable_stops_what_runs() -> None:
    variables = {address: block for address, block in terraform().items() if address.startswith("var.")}
    assert [name for name in ("var.deployed", "var.protected") if "default" in variables[name]] == []
    assert "image" not in {name[4:] for name in variables}


def test_first_image_has_the_tag_deployed() -> None:
    assert terraform()["local.image"].endswith("/prompt-worker:deployed")
    first = README[: README.index("-target=google_cloud_run_v2_job.job")]
    assert re.search(r"^docker push .*/prompt-worker:deployed\"$", first, re.MULTILINE)


def test_scheduler_tries_again() -> None:
    for block in resources("google_cloud_scheduler_job").values():
        assert block["retry_config"][0]["retry_count"] > 0
        assert block["time_zone"] == "Etc/UTC"


def test_autoscaler_is_no_legacy_release() -> None:
    (container,) = resources("google_cloud_run_v2_service")["scaler"]["template"][0]["containers"]
    version = re.fullmatch(r".*/crema-v1/autoscaler:(\d+)\.(\d+)", container["image"])
    assert version is not None
    # 1.0 leaks memory.
    assert (int(version[1]), int(version[2])) >= (1, 2)


def test_oldest_gcloud_is_named_and_is_the_one_that_builds() -> None:
    (named,) = re.findall(r"gcloud (\d+) or\s+later", README)
    assert set(re.findall(r"google-cloud-cli:(\d+)\.", CLOUD_BUILD.read_text())) == {named}


def test_database_is_restorable_and_protected() -> None:
    (creating,) = re.findall(r"^gcloud sql instances create (.*?[^\\])$", README, re.MULTILINE | re.DOTALL)
    for flag in (
        "--enable-point-in-time-recovery",
        "--retained-transaction-log-days=",
        "--deletion-protection",
    ):
        assert flag in creating
