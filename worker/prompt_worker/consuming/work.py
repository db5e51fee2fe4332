"""What a consumer is made of, pulled or pushed: the types that its handlers and its runners share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from google.cloud.pubsub_v1 import PublisherClient
from sqlalchemy import Engine

from prompt_worker.consuming.batch import Limits
from prompt_worker.consuming.breaker import Breaker
from prompt_worker.consuming.consumer import Consumer, Source
from prompt_worker.consuming.message import Message
from prompt_worker.consuming.observed import Observed
from prompt_worker.consuming.outcome import Outcome
from prompt_worker.consuming.rejection import DeadLetterTopic
from prompt_worker.platform.pubsub.topology import Names, Topology
from prompt_worker.platform.settings import ConsumerSettings


class Handler(Protocol):
    """What a consumer hands its batches to."""

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]:
        """One outcome for each message, in their order. Raises `DeploymentError` where no retry helps."""
        ...

    def cancel(self) -> None:
        """Ends the statements in flight, from another thread; their messages are handed back."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a handler is made of. Setting `stop` ends the worker."""

    engine: Engine
    publisher: PublisherClient
    topology: Topology
    stop: threading.Event


@dataclass(frozen=True)
class Work:
    """What a consumer does, pulled or pushed: whose messages it gets, and what handles them.

    `name` is the worker's in logs and metrics; `counts` says that its batches leave deltas of the statistics.
    """

    name: str
    subscription_of: Callable[[Names], str]
    make_handler: Callable[[Parts], Handler]
    counts: bool = False


def make_consumer(
    source: Source, handler: Handler, parts: Parts, settings: ConsumerSettings, path: str
) -> Consumer:
    """A consumer of `source`. `path` is the full name of its subscription, which dead letters name as theirs."""
    dead_letter_topic = parts.topology.topic_path(parts.topology.names.dead_letter_topic)
    return Consumer(
        source,
        Observed(handler, path.rsplit("/", 1)[-1]),
        DeadLetterTopic(parts.publisher, dead_letter_topic, source=path),
        limits=Limits(settings.batch_messages, settings.batch_bytes, settings.batch_seconds),
        breaker=Breaker(window=settings.breaker_window, ratio=settings.breaker_ratio),
        lanes=settings.lanes,
        progress_seconds=settings.progress_seconds,
        stop=parts.stop,
        cancel=handler.cancel,
    )
