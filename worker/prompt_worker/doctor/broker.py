"""Checks of Pub/Sub: its settings, the topics and subscriptions as declared, and what this account may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import Subscription

from prompt_schema.verify import Check
from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.reconciling import differences
from prompt_worker.platform.pubsub.topology import Topology, read_topology
from prompt_worker.platform.settings import Environment

# Seconds for one question to Pub/Sub.
TIMEOUT = 5.0


def examine_broker() -> Iterator[Check]:
    """Permissions are left out on the emulator, which has none."""
    environment = Environment()
    topology = read_topology(environment)
    try:
        environment.check()
    except SettingsError as error:
        yield Check("Pub/Sub settings", False, str(error))
        return
    yield Check("Pub/Sub settings", True, "")
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        for topic in topology.topics():
            yield _check(
                f"topic {topic.name}",
                partial(publisher.get_topic, topic=topic.name, timeout=TIMEOUT, retry=None),
            )
        for declared in topology.subscriptions():
            yield _check(f"subscription {declared.name}", partial(_differences, declared, subscriber))
        if not topology.emulated:
            yield from _examine_permissions(topology, publisher, subscriber)


def _differences(declared: Subscription, subscriber: SubscriberClient) -> list[str]:
    return differences(
        declared, subscriber.get_subscription(subscription=declared.name, timeout=TIMEOUT, retry=None)
    )


def _check(name: str, question: Callable[[], object]) -> Check:
    """Whether `question` is answered. An answer that is a list holds the fields that are not as declared."""
    try:
        answer = question()
    except NotFound:
        return Check(name, False, "missing: run 'prompt-worker topics'")
    except GoogleAPIError as error:
        return Check(
            name,
            False,
            f"no answer: {type(error).__name__}. Are PUBSUB_EMULATOR_HOST and the credentials right?",
        )
    if isinstance(answer, list) and answer:
        return Check(name, False, f"{', '.join(answer)} not as declared: run 'prompt-worker topics'")
    return Check(name, True, "")


def _examine_permissions(
    topology: Topology, publisher: PublisherClient, subscriber: SubscriberClient
) -> Iterator[Check]:
    needed = [
        (publisher, topology.topic_path(topology.names.dead_letter_topic), "pubsub.topics.publish"),
        (publisher, topology.topic_path(topology.names.violations_topic), "pubsub.topics.publish"),
        (subscriber, topology.subscription_path(topology.names.writer), "pubsub.subscriptions.consume"),
        (subscriber, topology.subscription_path(topology.names.guardrails), "pubsub.subscriptions.consume"),
    ]
    for client, path, permission in needed:
        request = {"resource": path, "permissions": [permission]}
        try:
            granted = (
                permission
                in client.test_iam_permissions(request=request, timeout=TIMEOUT, retry=None).permissions
            )
        except GoogleAPIError:
            granted = False
        role = "publisher" if "topics" in permission else "subscriber"
        yield Check(f"may use {path}", granted, f"grant roles/pubsub.{role} on it to this service account")
