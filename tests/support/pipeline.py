"""Topics on the emulator with a database behind them, and checks of both: where events are, and exact counters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg2
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import PublisherClient
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1 import PublisherClient as GapicPublisherClient
from google.pubsub_v1.types import PubsubMessage, ReceivedMessage, Subscription

from prompt_worker.consuming.pull.subscription import open_client
from prompt_worker.platform.pubsub.limits import REQUEST_MESSAGES
from prompt_worker.platform.pubsub.reconciling import reconcile
from prompt_worker.platform.pubsub.topic import REQUEST_BYTES
from prompt_worker.platform.pubsub.topology import ACK_DEADLINE, Names, Topology
from tests.support.events import id_of
from tests.support.worker_process import PATIENCE, WorkerProcess

HMAC_KEY = "a secret of the tests, 32 characters and more"


class Pipeline:
    """A project's topics and subscriptions, newly created.

    `ack_deadline` is for tests of redelivery: the workers' subscriptions then have this one, in seconds, and no retry
    policy, with which the emulator delivers expired messages late or never again. With `warm`, workers and commands
    are forks of a Python that has imported what they need: not where their memory or their start is the subject.
    """

    def __init__(
        self, project: str, database: str, *, ack_deadline: int = ACK_DEADLINE, warm: bool = False
    ) -> None:
        self.topology = Topology(project, Names(), emulated=True)
        self.database = database
        self.warm = warm
        self.publisher, self.subscriber = PublisherClient(), open_client()
        list(reconcile(self.topology, self.publisher, self.subscriber))
        self.writer = self.topology.subscription_path(self.topology.names.writer)
        guardrails = self.topology.subscription_path(self.topology.names.guardrails)
        feedback = self.topology.subscription_path(self.topology.names.feedback)
        for path in (self.writer, guardrails, feedback) if ack_deadline != ACK_DEADLINE else ():
            self.subscriber.update_subscription(
                request={
                    "subscription": Subscription(name=path, ack_deadline_seconds=ack_deadline),
                    "update_mask": FieldMask(paths=["ack_deadline_seconds", "retry_policy"]),
                }
            )

    def close(self) -> None:
        self.publisher.stop()
        self.subscriber.close()

    def worker(self, **settings: str) -> WorkerProcess:
        return self.command("run", "executions", **settings)

    def worker_program(self, program: str, **settings: str) -> WorkerProcess:
        """A worker run by a program of Python instead of by the command line."""
        return WorkerProcess(self.environment | settings, "-c", program, warm=self.warm)

    def guardrail_worker(self, **settings: str) -> WorkerProcess:
        return self.command("run", "guardrails", **{"PROMPT_WORKER_HMAC_KEY": HMAC_KEY} | settings)

    def command(self, *arguments: str, **settings: str) -> WorkerProcess:
        """`prompt-worker ARGUMENTS`, with these topics and this database."""
        return WorkerProcess(self.environment | settings, "-m", "prompt_worker", *arguments, warm=self.warm)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database,
            "PUBSUB_PROJECT_ID": self.topology.project,
            "PUBSUB_EMULATOR_HOST": os.environ["PUBSUB_EMULATOR_HOST"],
            "PROMPT_WORKER_PROGRESS_SECONDS": "0.2",
        }

    def publish(self, bodies: Iterable[bytes], topic: str | None = None, **attributes: str) -> None:
        self.publish_messages([PubsubMessage(data=body, attributes=attributes) for body in bodies], topic)

    def publish_feedback(self, bodies: Iterable[bytes], **attributes: str) -> None:
        self.publish(bodies, self.topology.names.feedback_topic, **attributes)

    def publish_messages(self, messages: Sequence[PubsubMessage], topic: str | None = None) -> None:
        path = self.topology.topic_path(topic or self.topology.names.topic)
        for request in _requests(messages):
            GapicPublisherClient.publish(self.publisher, topic=path, messages=request)

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with connected(self.database) as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def ids(self) -> set[UUID]:
        return {UUID(found) for (found,) in self.query("SELECT id FROM prompt_executions")}

    def rows(self) -> int:
        return int(self.query("SELECT count(*) FROM prompt_executions")[0][0])

    def wait_for_rows(self, count: int, seconds: float = PATIENCE) -> None:
        wait_until(lambda: self.rows() >= count, seconds, lambda: f"{self.rows()} of {count} rows")

    def evaluations(self) -> int:
        return int(self.query("SELECT count(*) FROM guardrail_evaluations")[0][0])

    def wait_for_evaluations(self, count: int, seconds: float = PATIENCE) -> None:
        wait_until(
            lambda: self.evaluations() >= count,
            seconds,
            lambda: f"{self.evaluations()} of {count} evaluations",
        )

    def feedback(self) -> int:
        """How many feedback events are stored."""
        return int(self.query("SELECT count(*) FROM prompt_feedback")[0][0])

    def wait_for_feedback(self, count: int, seconds: float = PATIENCE) -> None:
        wait_until(lambda: self.feedback() >= count, seconds, lambda: f"{self.feedback()} of {count}")

    def dead_letters(self, count: int, seconds: float = 30) -> list[PubsubMessage]:
        """Pulls and acknowledges `count` dead letters, and what comes with them."""
        return self.pull_all(
            self.topology.subscription_path(self.topology.names.dead_letter_store), count, seconds
        )

    def pull_all(self, path: str, count: int, seconds: float = 30) -> list[PubsubMessage]:
        """Pulls and acknowledges `count` messages of a subscription, and what comes with them."""
        found: list[PubsubMessage] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            found += [received.message for received in self._pull(path, 1)]
        # One more pull finds a message too many.
        return found + [received.message for received in self._pull(path, 0.3)]

    def unsettled(self, seconds: float) -> list[PubsubMessage]:
        """What the writer's subscription delivers once more within `seconds`."""
        deadline = time.monotonic() + seconds
        found: list[PubsubMessage] = []
        while not found and (left := deadline - time.monotonic()) > 0:
            found += [received.message for received in self._pull(self.writer, left)]
        return found

    def wrong_counters(self) -> list[tuple[Any, ...]]:
        """Templates and guardrails whose counters are not what a recount of the rows gives."""
        return self.query(
            """
            SELECT name, key, stored.value, counted.value
            FROM (
                SELECT t.name, to_jsonb(s) AS stored, to_jsonb(r) - 'id' AS counted
                FROM prompt_templates AS t
                JOIN v_template_statistics AS s USING (id) JOIN v_template_recount AS r USING (id)
                UNION ALL
                SELECT g.name, to_jsonb(s), to_jsonb(r) - 'id'
                FROM prompt_guardrails AS g
                JOIN v_guardrail_statistics AS s USING (id) JOIN v_guardrail_recount AS r USING (id)
            ) AS counters
            CROSS JOIN LATERAL jsonb_each_text(counters.counted) AS counted
            JOIN LATERAL jsonb_each_text(counters.stored) AS stored USING (key)
            WHERE stored.value::numeric IS DISTINCT FROM counted.value::numeric
            """
        )

    def assert_exact(self, published: Iterable[bytes], dead_letters: Iterable[PubsubMessage] = ()) -> None:
        """P1 and P2: published ids = rows and dead letters, each in one place; counters equal a recount."""
        expected = {id_of(body) for body in published}
        rejected = {id_of(message.data) for message in dead_letters}
        stored = self.ids()
        assert len(expected - stored - rejected) == 0, "events lost"
        assert len((stored | rejected) - expected) == 0, "events from nowhere"
        assert len(stored & rejected) == 0, "events both written and dead-lettered"
        assert self.wrong_counters() == []

    def _pull(self, path: str, seconds: float) -> Sequence[ReceivedMessage]:
        try:
            answer = self.subscriber.pull(
                subscription=path, max_messages=1000, timeout=max(seconds, 0.1), retry=None
            )
        except DeadlineExceeded:
            return []
        received: Sequence[ReceivedMessage] = answer.received_messages
        if received:
            ids = [message.ack_id for message in received]
            self.subscriber.acknowledge(subscription=path, ack_ids=ids)
        return received


def wait_until(condition: Callable[[], object], seconds: float, describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s: {describe()}"
        time.sleep(0.05)


@contextmanager
def connected(database: str) -> Iterator[Any]:
    """A cursor that commits each statement."""
    connection = psycopg2.connect(database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _requests(messages: Sequence[PubsubMessage]) -> Iterator[list[PubsubMessage]]:
    request: list[PubsubMessage] = []
    size = 0
    for message in messages:
        if request and (size + len(message.data) > REQUEST_BYTES or len(request) == REQUEST_MESSAGES):
            yield request
            request, size = [], 0
        request.append(message)
        size += len(message.data)
    if request:
        yield request
