"""`prompt-worker run`: a worker put together from its settings, and stopped by a signal."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from types import FrameType

from google.cloud.pubsub_v1 import PublisherClient

from worker.batch import Limits
from worker.breaker import Breaker
from worker.consumer import Consumer, Handler
from worker.database import connect
from worker.dead_letter import DeadLetterTopic
from worker.executions import ExecutionWriter
from worker.settings import ConsumerSettings, DatabaseSettings, Environment
from worker.subscription import Subscription, open_client
from worker.topology import ACK_DEADLINE, Topology, read_topology

FLAG_SECONDS = 0.1  # between looks at whether a signal came


def run_executions() -> None:
    """The execution worker. Raises `SettingsError`, `DeploymentError`, `BreakerError`."""
    environment = Environment()
    database = environment.read(DatabaseSettings)
    settings = environment.read(ConsumerSettings)
    topology = read_topology(environment)
    environment.check()

    engine = connect(database.url, application_name="prompt-worker executions", pool_size=settings.lanes)
    stop = threading.Event()
    try:
        writer = ExecutionWriter(engine, stop)
        _consume(
            topology.names.writer,
            writer,
            cancel=writer.cancel,
            topology=topology,
            settings=settings,
            stop=stop,
        )
    finally:
        engine.dispose()


def _consume(
    subscription_name: str,
    handler: Handler,
    *,
    cancel: Callable[[], None],
    topology: Topology,
    settings: ConsumerSettings,
    stop: threading.Event,
) -> None:
    path = topology.subscription_path(subscription_name)
    with open_client() as subscriber, PublisherClient() as publisher:
        consumer = Consumer(
            Subscription(subscriber, path, ack_deadline=ACK_DEADLINE, open_pulls=settings.open_pulls),
            handler,
            DeadLetterTopic(publisher, topology.topic_path(topology.names.dead_letter_topic), source=path),
            limits=Limits(settings.batch_messages, settings.batch_bytes, settings.batch_seconds),
            breaker=Breaker(window=settings.breaker_window, ratio=settings.breaker_ratio),
            lanes=settings.lanes,
            progress_seconds=settings.progress_seconds,
            stop=stop,
            cancel=cancel,
        )
        _run_until_signal(consumer, stop)


def _run_until_signal(consumer: Consumer, stop: threading.Event) -> None:
    """SIGTERM or SIGINT asks for an ordered stop; a second one kills."""
    signalled = False

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True  # nothing else: a handler may interrupt any lock
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    gc.freeze()  # what start-up made stays
    gc.set_threshold(100_000, 50, 100)  # batches make thousands of objects and no cycles: 3 µs less an event
    consuming = threading.Thread(target=consumer.run, name="consumer")
    consuming.start()
    while consuming.is_alive():
        consuming.join(FLAG_SECONDS)
        if signalled:
            stop.set()
    if consumer.failure:
        raise consumer.failure
