"""The declared topics and subscriptions, and how they differ from what is found."""

from __future__ import annotations

from datetime import timedelta

from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, Subscription

from prompt_worker.platform.pubsub.reconciling import differences
from prompt_worker.platform.pubsub.topology import Names, Topology

TOPOLOGY = Topology("project", Names())


def by_name(topology: Topology) -> dict[str, Subscription]:
    return {subscription.name.rsplit("/", 1)[-1]: subscription for subscription in topology.subscriptions()}


def test_both_consumers_have_the_topic_and_a_dead_letter_policy() -> None:
    for name in ("prompt-executions-writer", "prompt-executions-guardrails"):
        subscription = by_name(TOPOLOGY)[name]
        assert subscription.topic == "projects/project/topics/prompt-executions"
        policy = subscription.dead_letter_policy
        assert policy.dead_letter_topic == "projects/project/topics/prompt-executions-dead-letter"
        # Restarts and outages count as attempts.
        assert policy.max_delivery_attempts == 100


def test_feedback_has_a_topic_of_its_own_and_the_same_dead_letters() -> None:
    subscription = by_name(TOPOLOGY)["prompt-feedback-writer"]
    assert subscription.topic == "projects/project/topics/prompt-feedback"
    assert subscription.dead_letter_policy == by_name(TOPOLOGY)["prompt-executions-writer"].dead_letter_policy
    assert subscription.topic in {topic.name for topic in TOPOLOGY.topics()}


def test_dead_letter_subscription_keeps_a_month_never_expires() -> None:
    store = by_name(TOPOLOGY)["prompt-executions-dead-letter-store"]
    assert store.topic == "projects/project/topics/prompt-executions-dead-letter"
    assert store.message_retention_duration == timedelta(days=31)
    assert "expiration_policy" in store
    assert not store.expiration_policy.ttl
    assert "dead_letter_policy" not in store


def test_emulator_is_asked_for_the_retention_it_accepts() -> None:
    store = by_name(Topology("project", Names(), emulated=True))["prompt-executions-dead-letter-store"]
    assert store.message_retention_duration == timedelta(days=7)


def test_changed_names_are_used_everywhere() -> None:
    topology = Topology("project", Names(topic="t-1", writer="w-1", dead_letter_topic="d-1"))
    assert topology.topics()[0].name == "projects/project/topics/t-1"
    writer = by_name(topology)["w-1"]
    assert writer.topic.endswith("/t-1")
    assert writer.dead_letter_policy.dead_letter_topic.endswith("/d-1")


def test_differing_policy_is_named() -> None:
    declared = TOPOLOGY.subscriptions()[0]
    found = Subscription(declared)
    assert differences(declared, found) == []
    found.ack_deadline_seconds = 10
    found.retry_policy.minimum_backoff = timedelta(seconds=9)
    assert differences(declared, found) == ["ack_deadline_seconds", "retry_policy"]


def test_subscription_that_pushes_has_no_dead_letter_policy() -> None:
    declared = Topology("p", Names()).subscriptions()[0]
    pushing = Subscription(declared)
    pushing.push_config = PushConfig(push_endpoint="https://worker.example/push/executions")
    assert differences(declared, pushing) == ["dead_letter_policy"]
    pushing.dead_letter_policy = DeadLetterPolicy()
    assert differences(declared, pushing) == []
    assert differences(declared, Subscription(declared)) == []
