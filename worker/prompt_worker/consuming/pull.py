"""`prompt-worker run`: a worker put together from its settings, and stopped by a signal."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from google.cloud.pubsub_v1 import PublisherClient
from sqlalchemy import Engine

from prompt_worker.consuming.batch import Limits
from prompt_worker.consuming.breaker import Breaker
from prompt_worker.consuming.consumer import Consumer, Source
from prompt_worker.consuming.observed import Observed
from prompt_worker.consuming.outcome import Outcome
from prompt_worker.consuming.rejection import DeadLetterTopic
from prompt_worker.consuming.subscription import Message, Subscription, open_client
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.process import heap
from prompt_worker.platform.process.probes import pages, serving
from prompt_worker.platform.process.readiness import Readiness
from prompt_worker.platform.pubsub.topology import ACK_DEADLINE, Names, Topology, read_topology
from prompt_worker.platform.settings import (
    ConsumerSettings,
    DatabaseSettings,
    Environment,
    GuardrailSettings,
    ProbeSettings,
)
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting

FLAG_SECONDS = 0.1  # between looks at whether a signal came


class Handler(Protocol):
    """What a consumer hands its batches to; `cancel` ends what it waits for, from another thread."""

    def __call__(self, messages: Sequence[Message]) -> list[Outcome]: ...
    def cancel(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What a handler is made of. A set `stop` ends the worker."""

    engine: Engine
    publisher: PublisherClient
    topology: Topology
    stop: threading.Event


@dataclass(frozen=True)
class Work:
    """What a consumer does, pulled or pushed: the subscription whose messages it gets, and what handles them."""

    name: str
    subscription_of: Callable[[Names], str]
    make_handler: Callable[[Parts], Handler]


def executions(_: Environment) -> Work:
    from prompt_worker.executions.writer import ExecutionWriter

    return Work(
        "executions", lambda names: names.writer, lambda parts: ExecutionWriter(parts.engine, parts.stop)
    )


def guardrails(environment: Environment) -> Work:
    from prompt_worker.guardrails.recording.handler import open_handler

    settings = environment.read(GuardrailSettings)
    return Work("guardrails", lambda names: names.guardrails, lambda parts: open_handler(parts, settings))


def dead_letters(_: Environment) -> Work:
    from prompt_worker.deadletters.store import open_store

    return Work("dead-letters", lambda names: names.dead_letter_store, open_store)


def run(work_of: Callable[[Environment], Work]) -> None:
    """A worker that pulls. Raises `SettingsError`, `DeploymentError`, `BreakerError`."""
    heap.share_one()
    environment = Environment()
    work = work_of(environment)
    database = environment.read(DatabaseSettings)
    settings = environment.read(ConsumerSettings)
    probes = environment.read(ProbeSettings)
    telemetry = environment.read(TelemetrySettings)
    topology = read_topology(environment)
    environment.check()

    engine = connect(database.url, application_name=f"prompt-worker {work.name}", pool_size=settings.lanes)
    path = topology.subscription_path(work.subscription_of(topology.names))
    try:
        with (
            exporting(telemetry, work.name),
            open_client() as subscriber,
            PublisherClient() as publisher,
            serving(probes.port, pages(probes, Readiness(database.url))),
        ):
            parts = Parts(engine, publisher, topology, threading.Event())
            consumer = make_consumer(
                Subscription(subscriber, path, ack_deadline=ACK_DEADLINE, open_pulls=settings.open_pulls),
                work.make_handler(parts),
                parts,
                settings,
                path,
            )
            run_until_signal(consumer.run, parts.stop)
            if consumer.failure:
                raise consumer.failure
    finally:
        engine.dispose()


def make_consumer(
    source: Source, handler: Handler, parts: Parts, settings: ConsumerSettings, path: str
) -> Consumer:
    """`path` is the subscription's, which dead letters name as theirs."""
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


def run_until_signal(run: Callable[[], None], stop: threading.Event) -> None:
    """SIGTERM or SIGINT asks for an ordered stop of `run`, which ends once `stop` is set; a second one kills."""
    signalled = False

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True  # nothing else: a handler may interrupt any lock
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    gc.freeze()  # what start-up made stays
    gc.set_threshold(100_000, 50, 100)  # batches make thousands of objects and no cycles: 3 µs less an event
    consuming = threading.Thread(target=run, name="consumer")
    consuming.start()
    while consuming.is_alive():
        consuming.join(FLAG_SECONDS)
        if signalled:
            stop.set()
