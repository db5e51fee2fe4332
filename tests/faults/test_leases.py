"""A batch held longer than its ack deadline is leased on: no other worker gets it while the first one still tries."""

from __future__ import annotations

import time

import pytest

from tests.events import bodies
from tests.pipeline import Pipeline, wait_until
from worker.subscription import Message, Subscription, open_client

ACK_DEADLINE = 10  # seconds, the least there is


@pytest.mark.embedded_only
def test_messages_in_hand_outlive_their_ack_deadline(project: str) -> None:
    pipeline = Pipeline(project, "", ack_deadline=ACK_DEADLINE)
    pipeline.publish(bodies(300))
    client = open_client()
    subscription = Subscription(client, pipeline.writer, ack_deadline=ACK_DEADLINE, open_pulls=2)
    held: list[Message] = []
    wait_until(lambda: held.extend(subscription.receive(0.2)) or len(held) >= 300, 10, lambda: f"{len(held)}")
    assert pipeline.unsettled(seconds=ACK_DEADLINE + 5) == []
    subscription.acknowledge(held[:100])
    subscription.hand_back(held[100:250])
    again = 0
    deadline = time.monotonic() + 8
    while again < 150 and time.monotonic() < deadline:
        again += len(pipeline.unsettled(seconds=1))
    assert again == 150
    # The last 50 are still leased, until it closes and hands them back.
    subscription.close()
    wait_until(lambda: len(pipeline.unsettled(seconds=1)) > 0, 8, lambda: "not handed back")
    client.close()
    pipeline.close()
