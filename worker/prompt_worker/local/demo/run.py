"""The demonstration in progress: publishes its messages, and at the end says what became of each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.types import PubsubMessage
from sqlalchemy import Engine, text

from prompt_worker import Publisher
from prompt_worker.local.demo.broken import Raw
from prompt_worker.local.demo.events import Plan, messages
from prompt_worker.local.demo.planted import Found, found, planted
from prompt_worker.local.demo.release import release
from prompt_worker.local.demo.services import Services
from prompt_worker.local.worker_process import WorkerProcess
from prompt_worker.platform.pubsub.topology import Topology

# Messages handed over and not yet published.
UNDER_WAY = 5_000
# Between two events while a release spreads, so that it can be watched.
SPREAD_SECONDS = 0.005
# An attribute of the broken messages, which their dead letters keep.
RUN = "demo-run"


@dataclass(frozen=True)
class Ledger:
    """Where each published message is: a row, a duplicate of one, or a dead letter."""

    published: int
    # Rows that the database holds, found by their ids.
    written: int
    # As the worker counted.
    duplicates: int
    # As found in the dead-letter topic, by error class.
    dead_lettered: Counter[str]
    # Dead letters that the database holds of them.
    stored: int
    # Messages that Pub/Sub delivered more than once and the worker recognised.
    redelivered: int
    # Events by the violation they hold.
    planted: Counter[Found]
    # Events by the violation that is recorded of them.
    found: Counter[Found]

    @property
    def holds(self) -> bool:
        """Each message is somewhere, dead letters are stored, and the violations are those planted, and no other."""
        dead = self.dead_lettered.total()
        accounted = self.written + self.duplicates + dead
        return self.published == accounted and self.stored == dead and self.planted == self.found


class DemoRun:
    """Publishes `plan` in the background: events as a service would, broken ones as only a broken one would."""

    def __init__(
        self, plan: Plan, services: Services, topology: Topology, subscriber: SubscriberClient
    ) -> None:
        self.plan = plan
        self.spread = services.spread
        self._services = services
        self.published = 0
        self.failed: BaseException | None = None
        self._id = uuid4().hex
        self._topology = topology
        self._subscriber = subscriber
        self._event_ids: set[UUID] = set()
        self._planted: Counter[Found] = Counter()
        # message id → error class.
        self._dead_letters: dict[str, str] = {}
        # A kept database has those of other runs.
        self._stored_before = 0
        self._counting = threading.Lock()
        self._slots = threading.Semaphore(UNDER_WAY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="demo", daemon=True)
        # A subscription of our own sees each dead letter, and the worker that stores them still gets all.
        self._dead_letter_copy = topology.subscription_path(f"up-{self._id}")
        subscriber.create_subscription(
            name=self._dead_letter_copy, topic=topology.topic_path(topology.names.dead_letter_topic)
        )

    def start(self, engine: Engine) -> None:
        self._stored_before = stored(engine)
        self._engine = engine
        self._thread.start()

    def stop(self) -> None:
        """Publish no more; ends within seconds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(10)

    def ledger(self, engine: Engine, worker: WorkerProcess) -> Ledger:
        """Asks the database and the dead-letter topic."""
        self._pull_dead_letters()
        duplicates = min(worker.totals["duplicate"], self.plan.duplicates)
        return Ledger(
            published=self.published,
            written=self._written(engine),
            duplicates=duplicates,
            dead_lettered=Counter(self._dead_letters.values()),
            stored=stored(engine) - self._stored_before,
            redelivered=worker.totals["duplicate"] - duplicates,
            planted=self._planted,
            found=found(engine, self._event_ids),
        )

    def _publish(self) -> None:
        try:
            with (
                Publisher(topic=self._topology.names.topic, source="demo") as publisher,
                PublisherClient() as client,
            ):
                for number, message in enumerate(messages(self.plan, self._services)):
                    if number == self.plan.total // 2:
                        self.spread.release = release(self._engine)
                    if self.spread.release and not self.spread.is_everywhere:
                        time.sleep(SPREAD_SECONDS)
                    while not self._slots.acquire(timeout=0.2):
                        pass
                    if self._stop.is_set():
                        return
                    if isinstance(message, Raw):
                        self._publish_raw(message, client)
                    else:
                        if message.event_id not in self._event_ids:
                            self._planted.update(planted(message))
                        self._event_ids.add(message.event_id)
                        publisher.publish(message).add_done_callback(self._note)
        except Exception as error:
            self.failed = error

    def _publish_raw(self, message: Raw, client: PublisherClient) -> None:
        attributes = message.attributes | {RUN: self._id}
        path = self._topology.topic_path(self._topology.names.topic)
        client.api.publish(topic=path, messages=[PubsubMessage(data=message.body, attributes=attributes)])
        self._slots.release()
        with self._counting:
            self.published += 1

    def _note(self, future: Future[Any]) -> None:
        self._slots.release()
        error = future.exception()
        with self._counting:
            if error is None:
                self.published += 1
            else:
                self.failed = self.failed or error

    def _written(self, engine: Engine) -> int:
        query = text("SELECT count(*) FROM prompt_executions WHERE id = ANY(CAST(:ids AS uuid[]))")
        with engine.connect() as connection:
            return int(connection.execute(query, {"ids": [str(key) for key in self._event_ids]}).scalar_one())

    def _pull_dead_letters(self) -> None:
        while len(self._dead_letters) < self.plan.bad:
            pulled = self._subscriber.pull(
                subscription=self._dead_letter_copy, max_messages=1000, return_immediately=True, timeout=10
            ).received_messages
            if not pulled:
                return
            for received in pulled:
                attributes = received.message.attributes
                if attributes.get(RUN) == self._id:
                    key = attributes["dead-letter-message-id"]
                    self._dead_letters[key] = attributes["dead-letter-error-class"]
            self._subscriber.acknowledge(
                subscription=self._dead_letter_copy, ack_ids=[received.ack_id for received in pulled]
            )


def stored(engine: Engine) -> int:
    """How many dead letters the database has counted."""
    with engine.connect() as connection:
        query = text("SELECT coalesce(sum(times_seen), 0) FROM dead_letter_events")
        return int(connection.execute(query).scalar_one())
