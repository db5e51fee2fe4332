"""A worker that pulls, put together from its settings and stopped by a signal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext

from google.cloud.pubsub_v1 import PublisherClient

from prompt_worker.consuming.folding import folding
from prompt_worker.consuming.pull.subscription import Subscription, open_client
from prompt_worker.consuming.work import Parts, Work, make_consumer
from prompt_worker.platform.failures import DeploymentError
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.postgres.readiness import Readiness
from prompt_worker.platform.process import heap
from prompt_worker.platform.process.pages import Listener, serving
from prompt_worker.platform.process.probes import probes
from prompt_worker.platform.process.signals import run_until_signal
from prompt_worker.platform.pubsub.topology import ACK_DEADLINE, read_topology
from prompt_worker.platform.settings import ConsumerSettings, DatabaseSettings, Environment, ProbeSettings
from prompt_worker.platform.telemetry.export import TelemetrySettings, exporting, metrics_listener


def run(work_of: Callable[[Environment], Work]) -> None:
    """Pulls and handles messages until a signal comes. Raises `SettingsError`, `DeploymentError`, `BreakerError`."""
    heap.share_one()
    environment = Environment()
    work = work_of(environment)
    database = environment.read(DatabaseSettings)
    settings = environment.read(ConsumerSettings)
    probing = environment.read(ProbeSettings)
    telemetry = environment.read(TelemetrySettings)
    topology = read_topology(environment)
    environment.check()

    engine = connect(
        database.url, application_name=f"prompt-worker {work.name}", pool_size=settings.lanes + 1
    )
    path = topology.subscription_path(work.subscription_of(topology.names))
    try:
        with (
            exporting(telemetry, work.name) as metrics,
            open_client() as subscriber,
            PublisherClient() as publisher,
            serving(
                metrics_listener(telemetry, metrics),
                Listener(
                    "PROMPT_WORKER_PROBE_PORT",
                    probing.port,
                    probes(probing, Readiness(database.url).problem),
                    DeploymentError,
                ),
            ),
        ):
            parts = Parts(engine, publisher, topology, threading.Event())
            consumer = make_consumer(
                Subscription(
                    subscriber,
                    path,
                    ack_deadline=ACK_DEADLINE,
                    open_pulls=settings.open_pulls,
                    in_flight_bytes=settings.in_flight_bytes,
                ),
                work.make_handler(parts),
                parts,
                settings,
                path,
            )
            heap.settle()
            with folding(engine) if work.counts else nullcontext():
                run_until_signal(consumer.run, parts.stop)
            if consumer.failure:
                raise consumer.failure
    finally:
        engine.dispose()
