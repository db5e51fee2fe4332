"""Where a publisher publishes, and as whom: from its arguments and the environment, all problems at once."""

from __future__ import annotations

import os
import re
from collections import ChainMap
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, field

from prompt_worker.platform.failures import SettingsError
from prompt_worker.platform.pubsub.names import EXECUTIONS_TOPIC
from prompt_worker.platform.settings import Environment
from prompt_worker.publishing.message import ATTRIBUTE_LIMIT


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a service publishes, and as whom. An argument of `Publisher` takes precedence."""

    project: Annotated[
        str,
        Meta(
            min_length=1,
            extra={"or": "GOOGLE_CLOUD_PROJECT"},
            description="the Google Cloud project of the topic",
        ),
    ] = field(name="PUBSUB_PROJECT_ID")
    topic: Annotated[str, Meta(description="the name of the topic that events are published to")] = field(
        name="PROMPT_EXECUTIONS_TOPIC", default=EXECUTIONS_TOPIC
    )
    source: Annotated[
        str, Meta(extra={"or": "K_SERVICE"}, description="the publishing service: the events' `ce-source`")
    ] = field(name="OTEL_SERVICE_NAME", default="unknown-service")
    spool: Annotated[
        str | None,
        Meta(
            description="a folder where events wait while Pub/Sub is unavailable; without it they wait in memory"
        ),
    ] = field(name="PROMPT_WORKER_SPOOL", default=None)


class Target(NamedTuple):
    """`spool` is the folder of this topic alone, made and writable."""

    project: str
    topic: str
    source: str
    spool: Path | None


def read_target(
    project: str | None, topic: str | None, source: str | None, spool: str | os.PathLike[str] | None
) -> Target:
    """What is None comes from the environment. Raises `SettingsError`."""
    arguments = {
        "PUBSUB_PROJECT_ID": project,
        "PROMPT_EXECUTIONS_TOPIC": topic,
        "OTEL_SERVICE_NAME": source,
        "PROMPT_WORKER_SPOOL": spool and os.fspath(spool),
    }
    given = {name: value for name, value in arguments.items() if value}
    environment = Environment(ChainMap(given, os.environ))
    settings = environment.read(PublisherSettings)
    if settings.project and not _is_name(settings.project):
        environment.complain(f"PUBSUB_PROJECT_ID: {settings.project!r} is not the name of a project")
    if not _is_name(settings.topic):
        environment.complain(f"PROMPT_EXECUTIONS_TOPIC: {settings.topic!r} is not the name of a topic")
    if len(settings.source.encode()) > ATTRIBUTE_LIMIT:
        environment.complain(f"OTEL_SERVICE_NAME: more than {ATTRIBUTE_LIMIT} bytes")
    environment.check()
    folder = Path(settings.spool, settings.project, settings.topic) if settings.spool else None
    if folder is not None and (unusable := _unusable(folder)):
        raise SettingsError(f"PROMPT_WORKER_SPOOL: cannot use the folder {folder}: {unusable}")
    return Target(settings.project, settings.topic, settings.source, folder)


def _is_name(name: str) -> bool:
    # Any other would have each event refused, one by one; and it names a folder of the spool.
    return re.fullmatch(r"[A-Za-z][\w.~+%:-]{2,254}", name, re.ASCII) is not None


def _unusable(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        return error.strerror
    return None if os.access(folder, os.W_OK | os.X_OK) else "no permission to write there"
