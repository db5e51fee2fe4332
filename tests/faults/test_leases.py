"""A batch held longer than its ack deadline keeps its leases: no other worker gets it while the first one tries."""

from __future__ import annotations

import os
import time

import pytest
from google.pubsub_v1 import PublisherClient as GapicPublisherClient
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.pull.subscription import BUSY_ANSWERS, PULL_TIMEOUT, Subscription, open_client
from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import bodies
from tests.support.late import late_broker
from tests.support.pipeline import Pipeline, wait_until

# Seconds, the least that Pub/Sub accepts.
ACK_DEADLINE = 10
WORKER = f"""
import sys, prompt_worker.consuming.pull.run
prompt_worker.consuming.pull.run.ACK_DEADLINE = {ACK_DEADLINE}
from prompt_worker.commands.cli import main
sys.exit(main(["run", "executions"]))
"""


@pytest.mark.embedded_only
def test_messages_held_during_an_outage_come_to_no_other_worker(
    database: str, project: str, postgres: Postgres
) -> None:
    pipeline = Pipeline(project, database, ack_deadline=ACK_DEADLINE, warm=True)
    published = bodies(300)
    pipeline.publish(published)
    postgres.stop()
    with pipeline.worker_program(WORKER, PROMPT_WORKER_BATCH_SECONDS="1") as worker:
        worker.wait_for(lambda w: w.messages("WARNING"))
        assert pipeline.unsettled(seconds=ACK_DEADLINE + 3) == []
        postgres.start()
        pipeline.wait_for_rows(len(published))
        assert worker.terminate()[0] == 0
    assert worker.totals == {"written": len(published)}
    pipeline.assert_exact(published)
    pipeline.close()


def test_messages_handed_back_or_left_come_again_at_once(project: str) -> None:
    pipeline = Pipeline(project, "no database")
    pipeline.publish(bodies(300))
    client = open_client()
    subscription = Subscription(client, pipeline.writer, ack_deadline=60, open_pulls=2)
    held: list[Message] = []
    wait_until(lambda: held.extend(subscription.receive(0.2)) or len(held) >= 300, 60, lambda: f"{len(held)}")
    subscription.acknowledge(held[:100])
    subscription.hand_back(held[100:250])
    # With 50 of them neither acknowledged nor handed back.
    subscription.close()
    client.close()
    again = set[bytes]()
    wait_until(
        lambda: again.update(message.data for message in pipeline.unsettled(seconds=1)) or len(again) >= 200,
        10,
        lambda: f"{len(again)} of 200",
    )
    assert again == {message.data for message in held[100:]}
    pipeline.close()


def test_late_answer_of_a_busy_broker_strands_nothing(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that the worker gave up would keep its messages from everybody until the ack deadline."""
    pipeline = Pipeline(project, "no database")
    published = bodies(2000)
    pipeline.publish(published)
    with late_broker(os.environ["PUBSUB_EMULATOR_HOST"], BUSY_ANSWERS + 5, PULL_TIMEOUT + 1) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        client = open_client()
        subscription = Subscription(client, pipeline.writer, ack_deadline=60, open_pulls=1)
        held: list[Message] = []
        wait_until(
            lambda: held.extend(subscription.receive(0.2)) or len(held) >= len(published),
            15,
            lambda: f"{len(held)} of {len(published)}",
        )
        subscription.acknowledge(held)
        subscription.close()
        client.close()
    pipeline.close()


@pytest.mark.parametrize("size", [100, 100_000])
def test_message_has_its_id_time_and_attributes_at_any_size(project: str, size: int) -> None:
    """Large ones are copied out of the answer that they came in."""
    pipeline = Pipeline(project, "no database")
    sent = PubsubMessage(data=b"x" * size, attributes={"ce-type": "t", "other": "é"})
    topic = pipeline.topology.topic_path(pipeline.topology.names.topic)
    before = time.time()
    [message_id] = GapicPublisherClient.publish(pipeline.publisher, topic=topic, messages=[sent]).message_ids
    client = open_client()
    subscription = Subscription(client, pipeline.writer, ack_deadline=60, open_pulls=1)
    held: list[Message] = []
    wait_until(lambda: held.extend(subscription.receive(0.2)) or held, 60, lambda: "no message")
    [message] = held
    assert (message.data, message.attributes, message.message_id) == (
        sent.data,
        sent.attributes,
        message_id,
    )
    assert before - 1 < message.publish_time < time.time() + 1
    assert message.delivery_attempt == 1
    subscription.acknowledge(held)
    subscription.close()
    client.close()
    pipeline.close()
