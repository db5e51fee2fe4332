"""Topics and subscriptions on the broker, brought to what the topology declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import DeadLetterPolicy, Subscription, Topic

from prompt_worker.platform.pubsub.asking import PATIENCE, unanswered
from prompt_worker.platform.pubsub.topology import RETENTION, Topology

_RECONCILED = (
    "ack_deadline_seconds",
    "message_retention_duration",
    "expiration_policy",
    "retry_policy",
    "dead_letter_policy",
)


@dataclass(frozen=True)
class Change:
    """What reconciling did to the topic or subscription at `path`.

    `action` is `created`, `unchanged`, or `updated: ` with the fields.
    """

    path: str
    action: str


def reconcile(
    declared: Topology, publisher: PublisherClient, subscriber: SubscriberClient
) -> Iterator[Change]:
    """Creates what is missing and updates what differs; deletes nothing. Raises `DeploymentError`."""
    try:
        for topic in declared.topics():
            yield Change(topic.name, _reconcile_topic(topic, publisher))
        for subscription in declared.subscriptions():
            change = Change(subscription.name, _reconcile_subscription(subscription, subscriber))
            if change.action == "created" and subscription.name == declared.dead_letter_store:
                earliest = datetime.now(UTC) - RETENTION
                subscriber.seek(request={"subscription": subscription.name, "time": earliest}, **PATIENCE)
            yield change
    except GoogleAPIError as error:
        needs = "Creating topics and subscriptions needs roles/pubsub.editor."
        raise unanswered(error, declared.project, needs) from error


def _reconcile_topic(declared: Topic, publisher: PublisherClient) -> str:
    try:
        found = publisher.get_topic(topic=declared.name, **PATIENCE)
    except NotFound:
        return _created(publisher.create_topic, declared)
    if found.message_retention_duration == declared.message_retention_duration:
        return "unchanged"
    mask = FieldMask(paths=["message_retention_duration"])
    publisher.update_topic(request={"topic": declared, "update_mask": mask}, **PATIENCE)
    return "updated: message_retention_duration"


def _reconcile_subscription(declared: Subscription, subscriber: SubscriberClient) -> str:
    try:
        found = subscriber.get_subscription(subscription=declared.name, **PATIENCE)
    except NotFound:
        return _created(subscriber.create_subscription, declared)
    differing = differences(declared, found)
    if not differing:
        return "unchanged"
    declared = for_delivery(declared, found)
    request = {"subscription": declared, "update_mask": FieldMask(paths=differing)}
    subscriber.update_subscription(request=request, **PATIENCE)
    return f"updated: {', '.join(differing)}"


def differences(declared: Subscription, found: Subscription) -> list[str]:
    """The fields in which the subscription `found` differs from the one `declared`."""
    declared = for_delivery(declared, found)
    return [name for name in _RECONCILED if getattr(declared, name) != getattr(found, name)]


def for_delivery(declared: Subscription, found: Subscription) -> Subscription:
    """`declared` for the way in which `found` delivers: a subscription that pushes has no dead-letter policy.

    Each refused push counts as a delivery attempt, so an outage of the database of 1.5 hours would use up the 100
    attempts that Pub/Sub allows, and healthy events would be dead-lettered. The worker rejects bad ones itself.
    """
    if not found.push_config.push_endpoint:
        return declared
    pushed = Subscription(declared)
    pushed.dead_letter_policy = DeadLetterPolicy()
    return pushed


def _created(create: Callable[..., object], declared: Topic | Subscription) -> str:
    try:
        create(request=declared, **PATIENCE)
    except AlreadyExists:
        # Another runner was first.
        return "unchanged"
    return "created"
