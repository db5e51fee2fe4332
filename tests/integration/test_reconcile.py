"""Topics and subscriptions on a broker: created where missing, updated where they differ, otherwise left alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import RetryPolicy, Subscription

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.pubsub.reconciling import Change, reconcile
from prompt_worker.platform.pubsub.topology import Names, Topology
from tests.support.worker_process import WorkerProcess


@pytest.fixture
def clients(project: str) -> Iterator[tuple[PublisherClient, SubscriberClient]]:
    publisher, subscriber = PublisherClient(), SubscriberClient()
    yield publisher, subscriber
    publisher.stop()
    subscriber.close()


def test_missing_topics_are_created_and_then_left_alone(
    project: str, clients: tuple[PublisherClient, SubscriberClient]
) -> None:
    topology = Topology(project, Names(), emulated=True)
    first = list(reconcile(topology, *clients))
    assert [change.action for change in first] == ["created"] * 8
    assert [change.path for change in first] == [
        *(topic.name for topic in topology.topics()),
        *(subscription.name for subscription in topology.subscriptions()),
    ]
    assert [change.action for change in reconcile(topology, *clients)] == ["unchanged"] * 8


def test_dead_letter_older_than_its_subscription_is_found_in_it(
    project: str, clients: tuple[PublisherClient, SubscriberClient]
) -> None:
    publisher, subscriber = clients
    topology = Topology(project, Names(), emulated=True)
    for topic in topology.topics():
        publisher.create_topic(request=topic)
    topic_path = topology.topic_path(topology.names.dead_letter_topic)
    publisher.publish(topic_path, b"rejected meanwhile").result(timeout=30)
    list(reconcile(topology, publisher, subscriber))
    pulled = subscriber.pull(subscription=topology.dead_letter_store, max_messages=10, timeout=10)
    assert [received.message.data for received in pulled.received_messages] == [b"rejected meanwhile"]


def test_differing_policy_is_updated_and_named(
    project: str, clients: tuple[PublisherClient, SubscriberClient]
) -> None:
    topology = Topology(project, Names(), emulated=True)
    list(reconcile(topology, *clients))
    writer = topology.subscription_path(topology.names.writer)
    changed = Subscription(
        name=writer,
        ack_deadline_seconds=10,
        retry_policy=RetryPolicy(minimum_backoff=timedelta(seconds=5), maximum_backoff=timedelta(seconds=6)),
    )
    mask = FieldMask(paths=["ack_deadline_seconds", "retry_policy", "dead_letter_policy"])
    clients[1].update_subscription(request={"subscription": changed, "update_mask": mask})
    changes = [change for change in reconcile(topology, *clients) if change.action != "unchanged"]
    assert changes == [Change(writer, "updated: ack_deadline_seconds, retry_policy, dead_letter_policy")]
    found = clients[1].get_subscription(subscription=writer)
    assert found.ack_deadline_seconds == 60
    assert found.dead_letter_policy.max_delivery_attempts == 100


def test_foreign_subscriptions_are_left_alone(
    project: str, clients: tuple[PublisherClient, SubscriberClient]
) -> None:
    publisher, subscriber = clients
    other, theirs = f"projects/{project}/topics/other", f"projects/{project}/subscriptions/theirs"
    publisher.create_topic(name=other)
    subscriber.create_subscription(name=theirs, topic=other)
    list(reconcile(Topology(project, Names(), emulated=True), *clients))
    assert subscriber.get_subscription(subscription=theirs).topic == other


def test_refusal_of_the_broker_says_what_to_do(
    project: str, clients: tuple[PublisherClient, SubscriberClient]
) -> None:
    with pytest.raises(DeploymentError, match=rf"project {project} refuses.*roles/pubsub.editor"):
        list(reconcile(Topology(project, Names(topic="x"), emulated=True), *clients))


def test_topics_command_says_what_it_did(project: str) -> None:
    for action in ("created", "unchanged"):
        with WorkerProcess({"PUBSUB_PROJECT_ID": project}, "-m", "prompt_worker", "topics") as command:
            assert command.wait() == 0
            lines = command.output.splitlines()
        assert len(lines) == 8
        assert all(line.endswith(f": {action}") for line in lines)
