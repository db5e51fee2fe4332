"""Terraform and topology.py declare the same topics, subscriptions and policies: neither undoes the other."""

from __future__ import annotations

import json
import re
from typing import Any

from google.pubsub_v1.types import Subscription, Topic

from prompt_worker.platform.pubsub.topology import Names, Topology
from tests.support.deployment import resources

WANTED = Topology("p", Names())
# BigQuery's own: no program of ours pulls from it.
ARCHIVE = "archive"


def topic_path(reference: str) -> str:
    """`${google_pubsub_topic.executions.id}` → `projects/p/topics/prompt-executions`."""
    label = re.fullmatch(r"\$\{google_pubsub_topic\.(\w+)\.id\}", reference)
    assert label is not None, f"{reference} is not a topic of this configuration"
    return WANTED.topic_path(resources("google_pubsub_topic")[label[1]]["name"])


def topic_of(block: dict[str, Any]) -> Topic:
    # Terraform's own: whether it may delete the topic.
    made = {name: value for name, value in block.items() if name != "deletion_policy"}
    return Topic.from_json(json.dumps(made | {"name": WANTED.topic_path(block["name"])}))


def subscription_of(block: dict[str, Any]) -> Subscription:
    (expiration,), (retry,) = block["expiration_policy"], block["retry_policy"]
    # Terraform's word for never.
    assert expiration == {"ttl": ""}
    made = {name: block[name] for name in ("ack_deadline_seconds", "message_retention_duration")} | {
        "name": WANTED.subscription_path(block["name"]),
        "topic": topic_path(block["topic"]),
        "expiration_policy": {},
        "retry_policy": retry,
    }
    for dynamic in block.get("dynamic", []):
        if policy := dynamic.get("dead_letter_policy"):
            # Not where Pub/Sub pushes.
            pulled = re.fullmatch(r"\$\{local\.pulled \? \[(.+)\] : \[\]\}", policy["for_each"])
            assert pulled is not None, policy["for_each"]
            (content,) = policy["content"]
            made["dead_letter_policy"] = content | {"dead_letter_topic": topic_path(f"${{{pulled[1]}}}")}
    return Subscription.from_json(json.dumps(made))


def by_name(declared: list[Any]) -> dict[str, Any]:
    return {resource.name: resource for resource in declared}


def test_terraform_declares_the_same_topics() -> None:
    declared = [topic_of(block) for block in resources("google_pubsub_topic").values()]
    assert by_name(declared) == by_name(WANTED.topics())


def test_terraform_declares_the_same_subscriptions() -> None:
    blocks = {
        label: block for label, block in resources("google_pubsub_subscription").items() if label != ARCHIVE
    }
    assert by_name([subscription_of(block) for block in blocks.values()]) == by_name(WANTED.subscriptions())


def test_archive_receives_every_execution() -> None:
    archive = resources("google_pubsub_subscription")[ARCHIVE]
    assert topic_path(archive["topic"]) == WANTED.topic_path(WANTED.names.topic)
    assert "filter" not in archive
    assert archive["bigquery_config"][0]["write_metadata"] is True
