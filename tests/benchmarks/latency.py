"""Published → row visible, against the emulator's own published → received, for the same messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from statistics import median, quantiles
from uuid import UUID

import grpc
from google.pubsub_v1 import PublisherClient

from prompt_worker.event.execution import encode, parse
from prompt_worker.platform.pubsub.reconciling import reconcile
from prompt_worker.platform.pubsub.topology import read_topology
from prompt_worker.platform.settings import Environment
from tests.benchmarks.broker import OPEN_PULLS, Puller, clients, message
from tests.benchmarks.events import Template, make
from tests.benchmarks.services import Database, session
from tests.benchmarks.table import Row, times
from tests.benchmarks.worker_process import worker

EVENTS_PER_SECOND = 100
CHECK_SECONDS = 0.004
LATE_SECONDS = 30.0
WARM_UP_SECONDS = 2.0
GOAL = 1.5

Moments = dict[UUID, float]  # by event id


class Run:
    """One topic, two subscriptions: the worker drains one, a consumer that only receives the other."""

    def __init__(self, database: Database, project: str) -> None:
        self._database = database
        self._topology = read_topology(
            Environment({"PUBSUB_PROJECT_ID": project, "PUBSUB_EMULATOR_HOST": "set"})
        )
        self.published: Moments = {}
        self.received: Moments = {}
        self.visible: Moments = {}
        self._done = threading.Event()

    def measure(self, emulator_host: str, seconds: float) -> None:
        with grpc.insecure_channel(emulator_host) as channel:
            publisher, subscriber = clients(channel)
            list(reconcile(self._topology, publisher, subscriber))
            receiving = Puller(channel, self._topology.subscription_path(self._topology.names.guardrails))
            with worker(self._database.url, self._topology.project) as child:
                child.wait_until_idle()
                watchers = [
                    threading.Thread(target=self._watch),
                    *(threading.Thread(target=self._receive, args=(receiving,)) for _ in range(OPEN_PULLS)),
                ]
                for watcher in watchers:
                    watcher.start()
                try:
                    self._publish(publisher, self._topology.topic_path(self._topology.names.topic), seconds)
                    self._wait()
                finally:
                    self._done.set()
                    for watcher in watchers:
                        watcher.join()
            child.forget()

    def _publish(self, publisher: PublisherClient, topic: str, seconds: float) -> None:
        """At an even pace, a request for each event, as a service at this rate does."""
        number = int(seconds * EVENTS_PER_SECOND)
        prepared = [(event.event_id, message(encode(event))) for event in make(number, self._templates())]
        start = time.perf_counter()
        for position, (event_id, prepared_message) in enumerate(prepared):
            time.sleep(max(0.0, start + position / EVENTS_PER_SECOND - time.perf_counter()))
            self.published[event_id] = time.perf_counter()
            publisher.publish(topic=topic, messages=[prepared_message])

    def _templates(self) -> Sequence[Template]:
        return self._database.templates()

    def _wait(self) -> None:
        deadline = time.monotonic() + LATE_SECONDS
        while len(self.visible) < len(self.published) or len(self.received) < len(self.published):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.published) - len(self.visible)} events are not visible")
            time.sleep(0.1)

    def _receive(self, subscription: Puller) -> None:
        while not self._done.is_set():
            with suppress(grpc.RpcError):  # nothing came in time
                messages = subscription.pull(timeout=1.0).result().received_messages
                moment = time.perf_counter()
                self.received |= {parse(received.message.data)[0].event_id: moment for received in messages}
                subscription.acknowledge([received.ack_id for received in messages])

    def _watch(self) -> None:
        """By the key, for those not seen yet: a few at a time."""
        with session(self._database.url) as watching, watching.cursor() as cursor:
            while not self._done.is_set():
                waiting = [str(event_id) for event_id in list(self.published) if event_id not in self.visible]
                cursor.execute(
                    "SELECT id::text FROM prompt_executions WHERE id = ANY(%s::uuid[])", (waiting,)
                )
                moment = time.perf_counter()
                self.visible |= {UUID(event_id): moment for (event_id,) in cursor}
                time.sleep(CHECK_SECONDS)

    def delays(self, arrived: Moments) -> list[float]:
        """Milliseconds, without those of the first seconds."""
        start = min(self.published.values()) + WARM_UP_SECONDS
        return [(arrived[key] - moment) * 1e3 for key, moment in self.published.items() if moment >= start]


def measure(emulator_host: str, database: Database, seconds: float) -> Row:
    run = Run(database, f"bench-latency-{time.time_ns()}")
    run.measure(emulator_host, seconds)
    database.check(len(run.published))
    visible, received = run.delays(run.visible), run.delays(run.received)
    visible_p99, received_p99 = quantiles(visible, n=100)[98], quantiles(received, n=100)[98]
    ratio = visible_p99 / received_p99
    return Row(
        f"published → row visible at {EVENTS_PER_SECOND} events/s, p99, against published → received",
        f"{times(ratio)}: p50 {median(visible):.0f} ms, p99 {visible_p99:.0f} ms "
        f"against p50 {median(received):.0f} ms, p99 {received_p99:.0f} ms (seen every {CHECK_SECONDS * 1e3:.0f} ms)",
        f"≤ {times(GOAL)}",
        ratio <= GOAL,
        {
            "ratio": ratio,
            "visible_p50_ms": median(visible),
            "visible_p99_ms": visible_p99,
            "received_p50_ms": median(received),
            "received_p99_ms": received_p99,
        },
    )
