"""A batch held longer than its ack deadline keeps its leases: no other worker gets it while the first one tries."""

from __future__ import annotations

import pytest

from prompt_worker.consuming.subscription import Message, Subscription, open_client
from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import bodies
from tests.support.pipeline import Pipeline, wait_until

# Seconds, the least that Pub/Sub accepts.
ACK_DEADLINE = 10
WORKER = f"""
import sys, prompt_worker.consuming.pull
prompt_worker.consuming.pull.ACK_DEADLINE = {ACK_DEADLINE}
from prompt_worker.commands.cli import main
sys.exit(main(["run", "executions"]))
"""


@pytest.mark.embedded_only
def test_messages_held_during_an_outage_come_to_no_other_worker(
    database: str, project: str, postgres: Postgres
) -> None:
    pipeline = Pipeline(project, database, ack_deadline=ACK_DEADLINE)
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
    wait_until(lambda: held.extend(subscription.receive(0.2)) or len(held) >= 300, 10, lambda: f"{len(held)}")
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
