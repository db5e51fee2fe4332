"""Topics and subscriptions with their policies: declared here once, everything else asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, Topic
from msgspec import field

from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.pubsub.names import EXECUTIONS_TOPIC
from prompt_worker.platform.settings import Environment, PubSubSettings

ACK_DEADLINE = 60  # seconds; leases of a batch that is being retried are extended
RETENTION = timedelta(days=7)
DEAD_LETTER_RETENTION = timedelta(days=31)  # the longest there is; the emulator refuses more than 7
MAX_DELIVERY_ATTEMPTS = 100  # the most there is: restarts and outages count as attempts too


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Each can be changed by an environment variable."""

    topic: str = field(name="PROMPT_EXECUTIONS_TOPIC", default=EXECUTIONS_TOPIC)
    writer: str = field(name="PROMPT_EXECUTIONS_WRITER_SUBSCRIPTION", default="prompt-executions-writer")
    guardrails: str = field(
        name="PROMPT_EXECUTIONS_GUARDRAILS_SUBSCRIPTION", default="prompt-executions-guardrails"
    )
    dead_letter_topic: str = field(
        name="PROMPT_EXECUTIONS_DEAD_LETTER_TOPIC", default="prompt-executions-dead-letter"
    )
    violations_topic: str = field(name="GUARDRAIL_VIOLATIONS_TOPIC", default="guardrail-violations")
    dead_letter_store: str = field(
        name="PROMPT_EXECUTIONS_DEAD_LETTER_SUBSCRIPTION", default="prompt-executions-dead-letter-store"
    )


@dataclass(frozen=True)
class Topology:
    """The full resource names and wanted policies of one project."""

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
            # Kept by the topic too: a worker may publish to it before its subscription is there.
            Topic(name=self.topic_path(self.names.dead_letter_topic), message_retention_duration=RETENTION),
            # Kept by the topic: a subscription made later can go back to them, and one that nobody reads piles up none.
            Topic(name=self.topic_path(self.names.violations_topic), message_retention_duration=RETENTION),
        ]

    def subscriptions(self) -> list[Subscription]:
        return [
            *(self._consumer(name) for name in (self.names.writer, self.names.guardrails)),
            Subscription(
                name=self.dead_letter_store,
                topic=self.topic_path(self.names.dead_letter_topic),
                ack_deadline_seconds=ACK_DEADLINE,
                message_retention_duration=RETENTION if self.emulated else DEAD_LETTER_RETENTION,
                expiration_policy=ExpirationPolicy(),  # without a time to live: never
                retry_policy=self._retry_policy,
            ),
        ]

    @property
    def _retry_policy(self) -> RetryPolicy | None:
        # With one, the emulator brings back expired leases after minutes, or never.
        return None if self.emulated else _RETRY

    def _consumer(self, name: str) -> Subscription:
        return Subscription(
            name=self.subscription_path(name),
            topic=self.topic_path(self.names.topic),
            ack_deadline_seconds=ACK_DEADLINE,
            message_retention_duration=RETENTION,
            expiration_policy=ExpirationPolicy(),
            retry_policy=self._retry_policy,
            # A backstop only: the workers dead-letter by themselves, with a reason.
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
    """What reconciling did to one topic or subscription: `created`, `updated` with the fields, or `unchanged`."""

    path: str
    action: str


def read_topology(environment: Environment) -> Topology:
    """As the environment names it."""
    pubsub, names = environment.read(PubSubSettings), environment.read(Names)
    return Topology(pubsub.project, names, emulated=pubsub.emulator_host is not None)


def reconcile(wanted: Topology, publisher: PublisherClient, subscriber: SubscriberClient) -> Iterator[Change]:
    """Creates what is missing and updates what differs; deletes nothing. Raises `DeploymentError`."""
    try:
        for topic in wanted.topics():
            yield Change(topic.name, _reconcile_topic(topic, publisher))
        for subscription in wanted.subscriptions():
            change = Change(subscription.name, _reconcile_subscription(subscription, subscriber))
            if change.action == "created" and subscription.name == wanted.dead_letter_store:
                earliest = datetime.now(UTC) - RETENTION
                subscriber.seek(request={"subscription": subscription.name, "time": earliest})
            yield change
    except GoogleAPICallError as error:
        raise DeploymentError(
            f"Pub/Sub in project {wanted.project} refuses: {error.message}. "
            "Creating topics and subscriptions needs roles/pubsub.editor."
        ) from error


def _reconcile_topic(wanted: Topic, publisher: PublisherClient) -> str:
    try:
        found = publisher.get_topic(topic=wanted.name)
    except NotFound:
        return _created(publisher.create_topic, wanted)
    if found.message_retention_duration == wanted.message_retention_duration:
        return "unchanged"
    mask = FieldMask(paths=["message_retention_duration"])
    publisher.update_topic(request={"topic": wanted, "update_mask": mask})
    return "updated: message_retention_duration"


def _reconcile_subscription(wanted: Subscription, subscriber: SubscriberClient) -> str:
    try:
        found = subscriber.get_subscription(subscription=wanted.name)
    except NotFound:
        return _created(subscriber.create_subscription, wanted)
    differing = differences(wanted, found)
    if not differing:
        return "unchanged"
    request = {"subscription": wanted, "update_mask": FieldMask(paths=differing)}
    subscriber.update_subscription(request=request)
    return f"updated: {', '.join(differing)}"


def differences(wanted: Subscription, found: Subscription) -> list[str]:
    """The fields in which a subscription is not as declared."""
    return [name for name in _RECONCILED if getattr(wanted, name) != getattr(found, name)]


def _created(create: Callable[..., object], wanted: Topic | Subscription) -> str:
    try:
        create(request=wanted)
    except AlreadyExists:  # another runner was first
        return "unchanged"
    return "created"
