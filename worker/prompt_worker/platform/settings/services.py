"""Settings of the services that everything here works with."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

# Where publishers publish and workers subscribe, unless it is set.
TOPIC = "prompt-executions"
FEEDBACK_TOPIC = "prompt-feedback"
# The source of events where no setting names the service: its `service` is then absent.
UNKNOWN_SERVICE = "unknown-service"


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is."""

    url: Annotated[
        str,
        Meta(
            min_length=1,
            description="`postgresql://USER:PASSWORD@HOST:5432/DATABASE` over TCP, "
            "`postgresql://USER:PASSWORD@/DATABASE?host=/cloudsql/PROJECT:REGION:INSTANCE` over a socket; "
            "percent-encode special characters in the password",
        ),
    ] = field(name="DATABASE_URL")


class PubSubSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Pub/Sub is."""

    project: Annotated[
        str,
        Meta(
            min_length=1,
            extra={"or": "GOOGLE_CLOUD_PROJECT"},
            description="the Google Cloud project of the topics and subscriptions",
        ),
    ] = field(name="PUBSUB_PROJECT_ID")
    emulator_host: Annotated[
        str | None, Meta(description="`HOST:PORT` of Google's emulator, to use it instead of the service")
    ] = field(name="PUBSUB_EMULATOR_HOST", default=None)


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a `Publisher` publishes, and as whom; an argument of its own comes first."""

    project: Annotated[
        str,
        Meta(
            extra={"or": "GOOGLE_CLOUD_PROJECT", "default": "required"},
            description="the Google Cloud project of the topic",
        ),
    ] = field(name="PUBSUB_PROJECT_ID", default="")
    topic: Annotated[str, Meta(description="the name of the topic that events are published to")] = field(
        name="PROMPT_EXECUTIONS_TOPIC", default=TOPIC
    )
    feedback_topic: Annotated[
        str, Meta(description="the name of the topic that feedback is published to")
    ] = field(name="PROMPT_FEEDBACK_TOPIC", default=FEEDBACK_TOPIC)
    source: Annotated[
        str,
        Meta(extra={"or": "OTEL_SERVICE_NAME"}),
        Meta(
            extra={"or": "K_SERVICE"},
            description="the name of the service: each event's CloudEvents `source`, and its first 100 characters "
            "each event's `service` where it has none",
        ),
    ] = field(name="PROMPT_WORKER_SERVICE", default=UNKNOWN_SERVICE)
    spool: Annotated[
        str | None,
        Meta(
            description="a folder where events wait on disk while Pub/Sub is unavailable; without it, in memory"
        ),
    ] = field(name="PROMPT_WORKER_SPOOL", default=None)
