"""Topics and subscriptions with their policies, declared here alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, Topic
from msgspec import Meta, field

from prompt_worker.platform.pubsub import limits
from prompt_worker.platform.pubsub.asking import PATIENCE, unanswered
from prompt_worker.platform.settings import Environment, PubSubSettings
from prompt_worker.platform.settings.services import TOPIC

# Seconds; the leases of a batch that is being retried are extended.
ACK_DEADLINE = 60
RETENTION = timedelta(days=7)
# The longest and the most there are: an operator needs time, and restarts and outages count as attempts too.
DEAD_LETTER_RETENTION = limits.RETENTION
MAX_DELIVERY_ATTEMPTS = limits.DELIVERY_ATTEMPTS


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The topics and subscriptions, by name."""

    topic: Annotated[str, Meta(description="the topic of the events")] = field(
        name="PROMPT_EXECUTIONS_TOPIC", default=TOPIC
    )
    writer: Annotated[str, Meta(description="the subscription of `run executions`")] = field(
        name="PROMPT_EXECUTIONS_WRITER_SUBSCRIPTION", default="prompt-executions-writer"
    )
    guardrails: Annotated[str, Meta(description="the subscription of `run guardrails`")] = field(
        name="PROMPT_EXECUTIONS_GUARDRAILS_SUBSCRIPTION", default="prompt-executions-guardrails"
    )
    dead_letter_topic: Annotated[str, Meta(description="the topic of rejected events")] = field(
        name="PROMPT_EXECUTIONS_DEAD_LETTER_TOPIC", default="prompt-executions-dead-letter"
    )
    violations_topic: Annotated[
        str,
        Meta(
            description="where `block` and `critical` violations are announced; subscribe your own service to it"
        ),
    ] = field(name="GUARDRAIL_VIOLATIONS_TOPIC", default="guardrail-violations")
    dead_letter_store: Annotated[str, Meta(description="the subscription of `run dead-letters`")] = field(
        name="PROMPT_EXECUTIONS_DEAD_LETTER_SUBSCRIPTION", default="prompt-executions-dead-letter-store"
    )


@dataclass(frozen=True)
class Topology:
    """The full names and declared policies of one project's topics and subscriptions."""

    project: str
    names: Names
    emulated: bool = False

    def topic_path(self, name: str) -> str:
        return f"projects/{self.project}/topics/{name}"

    def subscription_path(self, name: str) -> str:
        return f"projects/{self.project}/subscriptions/{name}"

    @property
    def dead_letter_store(self) -> str:
        return self.subscription_path(self.names.dead_letter_store)

    def topics(self) -> list[Topic]:
        return [
            Topic(name=self.topic_path(self.names.topic), message_retention_duration=RETENTION),
            # Retained by the topic too: a worker may publish to it before its subscription exists.
            Topic(name=self.topic_path(self.names.dead_letter_topic), message_retention_duration=RETENTION),
            # Retained by the topic: a subscription made later can seek back, and without one nothing piles up.
            Topic(name=self.topic_path(self.names.violations_topic), message_retention_duration=RETENTION),
        ]

    def subscriptions(self) -> list[Subscription]:
        return [
            *(self._consumer(name) for name in (self.names.writer, self.names.guardrails)),
            Subscription(
                name=self.dead_letter_store,
                topic=self.topic_path(self.names.dead_letter_topic),
                ack_deadline_seconds=ACK_DEADLINE,
                message_retention_duration=limits.EMULATOR_RETENTION
                if self.emulated
                else DEAD_LETTER_RETENTION,
                # Without a time to live: it never expires.
                expiration_policy=ExpirationPolicy(),
                retry_policy=self._retry_policy,
            ),
        ]

    @property
    def _retry_policy(self) -> RetryPolicy | None:
        # With one, the emulator redelivers messages of expired leases after minutes, or never.
        return None if self.emulated else _RETRY

    def _consumer(self, name: str) -> Subscription:
        return Subscription(
            name=self.subscription_path(name),
            topic=self.topic_path(self.names.topic),
            ack_deadline_seconds=ACK_DEADLINE,
            message_retention_duration=RETENTION,
            expiration_policy=ExpirationPolicy(),
            retry_policy=self._retry_policy,
            # A backstop only: the workers dead-letter events themselves, with a reason.
            dead_letter_policy=DeadLetterPolicy(
                dead_letter_topic=self.topic_path(self.names.dead_letter_topic),
                max_delivery_attempts=MAX_DELIVERY_ATTEMPTS,
            ),
        )


_RETRY = RetryPolicy(minimum_backoff=timedelta(seconds=1), maximum_backoff=timedelta(seconds=60))
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


def read_topology(environment: Environment) -> Topology:
    """The topology that the settings name."""
    pubsub, names = environment.read(PubSubSettings), environment.read(Names)
    return Topology(pubsub.project, names, emulated=pubsub.emulator_host is not None)


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
    request = {"subscription": declared, "update_mask": FieldMask(paths=differing)}
    subscriber.update_subscription(request=request, **PATIENCE)
    return f"updated: {', '.join(differing)}"


def differences(declared: Subscription, found: Subscription) -> list[str]:
    """The fields in which the subscription `found` differs from the one `declared`."""
    return [name for name in _RECONCILED if getattr(declared, name) != getattr(found, name)]


def _created(create: Callable[..., object], declared: Topic | Subscription) -> str:
    try:
        create(request=declared, **PATIENCE)
    except AlreadyExists:
        # Another runner was first.
        return "unchanged"
    return "created"
