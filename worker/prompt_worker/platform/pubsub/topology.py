"""Topics and subscriptions with their policies, declared here alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import msgspec
from google.pubsub_v1.types import DeadLetterPolicy, ExpirationPolicy, RetryPolicy, Subscription, Topic
from msgspec import Meta, field

from prompt_worker.platform.pubsub import limits
from prompt_worker.platform.settings import Environment, PubSubSettings
from prompt_worker.platform.settings.services import FEEDBACK_TOPIC, TOPIC

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
    feedback_topic: Annotated[str, Meta(description="the topic of feedback")] = field(
        name="PROMPT_FEEDBACK_TOPIC", default=FEEDBACK_TOPIC
    )
    feedback: Annotated[str, Meta(description="the subscription of `run feedback`")] = field(
        name="PROMPT_FEEDBACK_SUBSCRIPTION", default="prompt-feedback-writer"
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
            Topic(name=self.topic_path(self.names.feedback_topic), message_retention_duration=RETENTION),
            # Retained by the topic too: a worker may publish to it before its subscription exists.
            Topic(name=self.topic_path(self.names.dead_letter_topic), message_retention_duration=RETENTION),
            # Retained by the topic: a subscription made later can seek back, and without one nothing piles up.
            Topic(name=self.topic_path(self.names.violations_topic), message_retention_duration=RETENTION),
        ]

    def subscriptions(self) -> list[Subscription]:
        return [
            *(self._consumer(name, self.names.topic) for name in (self.names.writer, self.names.guardrails)),
            self._consumer(self.names.feedback, self.names.feedback_topic),
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

    def _consumer(self, name: str, topic: str) -> Subscription:
        return Subscription(
            name=self.subscription_path(name),
            topic=self.topic_path(topic),
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


def read_topology(environment: Environment) -> Topology:
    """The topology that the settings name."""
    pubsub, names = environment.read(PubSubSettings), environment.read(Names)
    if names.feedback_topic == names.topic:
        environment.complain(
            "PROMPT_FEEDBACK_TOPIC: the same topic as PROMPT_EXECUTIONS_TOPIC; feedback has its own"
        )
    return Topology(pubsub.project, names, emulated=pubsub.emulator_host is not None)
