"""Who may do what in Google Cloud: every right of every account is listed here, so that another one fails."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from tests.support.deployment import CLOUD_BUILD, terraform, texts

# What it may do, and on what.
Rights = dict[str, set[tuple[str, str]]]

# From the tables of rights.tf, by account: roles on topics and subscriptions, and a collector's on the project.
OF_WHAT_RUNS: Rights = {
    "executions": {
        ("subscriber", "subscription executions"),
        ("publisher", "topic dead_letters"),
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "guardrails": {
        ("subscriber", "subscription guardrails"),
        ("publisher", "topic dead_letters"),
        ("publisher", "topic violations"),
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "feedback": {
        ("subscriber", "subscription feedback"),
        ("publisher", "topic dead_letters"),
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "dead-letters": {
        ("subscriber", "subscription dead_letters"),
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "experiments": {
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "registry": {
        ("roles/monitoring.metricWriter", "project"),
        ("roles/cloudtrace.agent", "project"),
    },
    "operator": {
        ("publisher", "topic executions"),
        ("publisher", "topic feedback"),
        ("viewer", "topic executions"),
        ("viewer", "topic feedback"),
        ("viewer", "topic dead_letters"),
        ("viewer", "topic violations"),
        ("subscriber", "subscription executions"),
        ("subscriber", "subscription guardrails"),
        ("subscriber", "subscription feedback"),
        ("subscriber", "subscription dead_letters"),
        ("viewer", "subscription executions"),
        ("viewer", "subscription guardrails"),
        ("viewer", "subscription feedback"),
        ("viewer", "subscription dead_letters"),
    },
}
FROM_TABLES = {
    "google_pubsub_topic_iam_member.runs": ("roles/pubsub.${each.value[1]}", "local.topics[each.value[2]]"),
    "google_pubsub_subscription_iam_member.runs": (
        "roles/pubsub.${each.value[1]}", "local.subscriptions[each.value[2]]",
    ),
    "google_project_iam_member.collector": ("each.value[1]", "var.project"),
}  # fmt: skip
# All others, by member, as Terraform's expressions.
OTHERS: Rights = {
    'google_service_account.runs["operator"]': {
        ("google_project_iam_custom_role.snapshots.name", "var.project"),
    },
    "google_service_account.runs[each.value[0]]": {
        ("roles/secretmanager.secretAccessor", "google_secret_manager_secret.secret[each.value[1]].id"),
    },
    "google_service_account.build": {
        ("roles/storage.objectViewer", "google_storage_bucket.source.name"),
        ("roles/artifactregistry.writer", "google_artifact_registry_repository.images.name"),
        ("roles/run.developer", "each of google_cloud_run_v2_worker_pool.consumer"),
        ("roles/run.developer", "each of google_cloud_run_v2_service.service"),
        ("roles/run.developer", "each of google_cloud_run_v2_job.job"),
        ("roles/iam.serviceAccountUser", "each of google_service_account.runs"),
        ("google_project_iam_custom_role.waits.name", "var.project"),
        ("roles/logging.logWriter", "var.project"),
    },
    "google_service_account.scaler": {
        ("roles/run.developer", "google_cloud_run_v2_worker_pool.consumer[each.key].name"),
        ("roles/iam.serviceAccountUser", "google_service_account.runs[each.key].name"),
        (
            'each of toset(["roles/parametermanager.parameterViewer", "roles/monitoring.viewer"])',
            "var.project",
        ),
    },
    # It starts two jobs, each by its schedule.
    "google_service_account.scheduler": {
        ("roles/run.invoker", 'google_cloud_run_v2_job.job["partitions"].name'),
        ("roles/run.invoker", 'google_cloud_run_v2_job.job["registry-export"].name'),
    },
    # The registry as an object: the job writes it, and whom the tfvars file names reads it.
    'google_service_account.runs["registry"]': {
        ("roles/storage.objectUser", "google_storage_bucket.registry.name"),
    },
    "serviceAccount:${each.key}": {("roles/storage.objectViewer", "google_storage_bucket.registry.name")},
    "local.pubsub_agent": {
        ("roles/pubsub.publisher", "google_pubsub_topic.dead_letters.name"),
        (
            "roles/pubsub.subscriber",
            "each of toset([google_pubsub_subscription.executions.name, google_pubsub_subscription.guardrails.name, "
            "google_pubsub_subscription.feedback.name])",
        ),
        ("roles/iam.serviceAccountTokenCreator", "google_service_account.push.name"),
        ("roles/bigquery.dataEditor", "google_bigquery_dataset.archive.dataset_id"),
    },
    # Whom the tfvars file names.
    "each of toset(var.publishers)": {
        ("roles/pubsub.publisher", "google_pubsub_topic.executions.name"),
        ("roles/pubsub.publisher", "google_pubsub_topic.feedback.name"),
    },
}
PERMISSIONS = {
    "snapshots": {
        "pubsub.snapshots.create",
        "pubsub.snapshots.delete",
        "pubsub.snapshots.list",
        "pubsub.snapshots.seek",
    },
    "waits": {"run.executions.get", "run.operations.get"},
}
# What a grant is on.
TARGETS = {
    "topic", "subscription", "bucket", "repository", "service_account_id", "dataset_id", "name", "secret_id", "project",
}  # fmt: skip


def grants() -> dict[str, dict[str, Any]]:
    """By address: whatever gives somebody a right."""
    return {
        address: block
        for address, block in terraform().items()
        if re.search(r"_(iam|access|acl)(_|\.)", address) and "_iam_custom_role." not in address
    }


def written(block: dict[str, Any], name: str) -> str:
    """An attribute's expression; that of `for_each` where the attribute is what each of these is."""
    expression = str(block[name])
    inner = re.fullmatch(r"\$\{(.*)\}", expression)
    text = inner[1] if inner and "${" not in inner[1] else expression
    if text not in ("each.key", "each.value.name"):
        return text
    return f"each of {written(block, 'for_each')}"


def right_of(block: dict[str, Any]) -> tuple[str, str]:
    (target,) = TARGETS & block.keys()
    return written(block, "role"), written(block, target)


def test_each_account_that_runs_has_the_rights_that_its_code_uses() -> None:
    blocks = terraform()
    found: Rights = defaultdict(set)
    for table, kind in (("topic_rights", "topic"), ("subscription_rights", "subscription")):
        for account, role, on in blocks[f"local.{table}"]:
            found[account].add((role, f"{kind} {on}"))
    for account, role in blocks["local.collector_rights"]:
        found[account].add((role, "project"))
    # Migrations do not use Pub/Sub.
    assert found == OF_WHAT_RUNS
    assert set(blocks["local.secrets"]) - set(found) == {"migrations"}
    for address, right in FROM_TABLES.items():
        assert right_of(blocks[address]) == right
        assert written(blocks[address], "member") == "google_service_account.runs[each.value[0]].member"
    for table in ("topics", "subscriptions"):
        for name, path in blocks[f"local.{table}"].items():
            assert path == f"${{google_pubsub_{table[:-1]}.{name}.name}}"


def test_nobody_has_another_right() -> None:
    found: Rights = defaultdict(set)
    for address, block in grants().items():
        assert "_iam_member." in address, f"{address} replaces or widens what others granted"
        if address not in FROM_TABLES:
            found[written(block, "member").removesuffix(".member")].add(right_of(block))
    assert found == OTHERS


def test_own_roles_have_these_permissions() -> None:
    found = {
        address.rpartition(".")[2]: set(block["permissions"])
        for address, block in terraform().items()
        if "_iam_custom_role." in address
    }
    assert found == PERMISSIONS


def test_no_role_on_the_project_reaches_every_topic_or_bucket() -> None:
    project = [
        role
        for rights in (*OF_WHAT_RUNS.values(), *OTHERS.values())
        for role, on in rights
        if on in ("project", "var.project")
    ]
    assert [role for role in project if re.search(r"pubsub|storage|editor|owner|admin", role)] == []


def test_every_build_reads_its_source_from_the_bucket_it_may_read() -> None:
    bucket = terraform()["google_storage_bucket.source"]["name"].replace("${var.project}", "$PROJECT")
    submitted = [
        (path.name, command)
        for path, text in texts().items()
        for command in re.findall(r"^gcloud builds submit .*$", text.replace("\\\n", " "), re.MULTILINE)
    ]
    assert submitted
    assert [found for found in submitted if f'--gcs-source-staging-dir="gs://{bucket}' not in found[1]] == []


def test_build_moves_tags_by_pushing() -> None:
    assert "tags add" not in CLOUD_BUILD.read_text()
