"""The worker that stores dead letters under faults: odd ones, duplicates, many, a database that is down."""

from __future__ import annotations

import json
import os
import time

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1.types import DeadLetterPolicy, PubsubMessage, Subscription

from prompt_worker.local.servers.postgres import Postgres
from tests.support.deadletters import made
from tests.support.events import bodies, body, id_of
from tests.support.pipeline import Pipeline, wait_until
from tests.support.worker_process import WorkerProcess

MEGABYTE = 1_000_000
STORED = "SELECT count(*), coalesce(sum(times_seen), 0) FROM dead_letter_events"


def publish(pipeline: Pipeline, *messages: PubsubMessage) -> None:
    pipeline.publish_messages(messages, topic=pipeline.topology.names.dead_letter_topic)


def dead(data: bytes, **more: str) -> PubsubMessage:
    return PubsubMessage(data=data, attributes=made() | more)


def wait_for_stored(pipeline: Pipeline, count: int, seconds: float = 30) -> None:
    wait_until(
        lambda: pipeline.query(STORED)[0][0] >= count, seconds, lambda: f"{pipeline.query(STORED)} of {count}"
    )


def storing(pipeline: Pipeline, **settings: str) -> WorkerProcess:
    return pipeline.command("run", "dead-letters", **settings)


def test_any_dead_letter_is_stored_with_its_bytes(pipeline: Pipeline) -> None:
    odd = [b"", b"\xff\0not JSON", b"[" * 100_000, body()[:-1], body(), os.urandom(9_900_000)]
    attributes = {"ctrl": "\0\x01\x1b[2J", "emoji": "\N{GRINNING FACE}", "é" * 100: "v" * 1000}
    publish(pipeline, *[dead(data, **attributes) for data in odd])
    with storing(pipeline) as worker:
        wait_for_stored(pipeline, len(odd))
        assert worker.terminate()[0] == 0
    assert sorted(
        bytes(found) for (found,) in pipeline.query("SELECT payload FROM dead_letter_events")
    ) == sorted(odd)
    assert worker.messages("WARNING", "ERROR", "CRITICAL") == []
    assert worker.totals == {"written": len(odd)}


def test_dead_letters_redelivered_by_a_seek_change_nothing(pipeline: Pipeline) -> None:
    path = pipeline.topology.subscription_path(pipeline.topology.names.dead_letter_store)
    snapshot = f"projects/{pipeline.topology.project}/snapshots/before"
    pipeline.subscriber.create_snapshot(name=snapshot, subscription=path)
    publish(pipeline, *[dead(one) for one in bodies(300)], dead(b"not JSON"))
    everything = "SELECT md5(string_agg(d::text, '|' ORDER BY id)) FROM dead_letter_events d"
    with storing(pipeline) as worker:
        wait_for_stored(pipeline, 301)
        before = pipeline.query(everything)
        pipeline.subscriber.seek(request={"subscription": path, "snapshot": snapshot})
        worker.wait_for(lambda w: w.totals.get("duplicate") == 301)
        assert worker.terminate()[0] == 0
    assert pipeline.query(everything) == before


def test_event_forwarded_by_pubsub_is_stored(pipeline: Pipeline) -> None:
    """Without any worker, as after a hundred crashes; then rejected by its worker when it is sent again."""
    policy = DeadLetterPolicy(
        dead_letter_topic=pipeline.topology.topic_path(pipeline.topology.names.dead_letter_topic),
        max_delivery_attempts=5,
    )
    pipeline.subscriber.update_subscription(
        request={
            "subscription": Subscription(name=pipeline.writer, dead_letter_policy=policy),
            "update_mask": FieldMask(paths=["dead_letter_policy"]),
        }
    )
    encoded = body(template_name="no such template")
    pipeline.publish([encoded], own="kept")
    with storing(pipeline) as worker:
        wait_until(lambda: hand_back(pipeline) or pipeline.query(STORED)[0][0], 60, lambda: "not forwarded")
        pipeline.publish([encoded])
        with pipeline.worker():
            wait_until(lambda: pipeline.query(STORED) == [(1, 2)], 60, lambda: str(pipeline.query(STORED)))
        assert worker.terminate()[0] == 0
    [(source, attempts, subscription, event_id, attributes)] = pipeline.query(
        "SELECT source, delivery_attempts, subscription, event_id::text, attributes FROM dead_letter_events"
    )
    assert (source, subscription, event_id) == ("worker", "prompt-executions-writer", str(id_of(encoded)))
    assert attempts is None
    assert attributes["own"] == "kept"
    assert int(attributes["CloudPubSubDeadLetterSourceDeliveryCount"]) >= 5


def hand_back(pipeline: Pipeline) -> None:
    """One delivery of what waits for the writer, handed back."""
    received = pipeline.subscriber.pull(
        subscription=pipeline.writer, max_messages=10, timeout=5
    ).received_messages
    if received:
        pipeline.subscriber.modify_ack_deadline(
            subscription=pipeline.writer, ack_ids=[one.ack_id for one in received], ack_deadline_seconds=0
        )


def test_rejected_event_is_resolved_once_its_template_exists(pipeline: Pipeline) -> None:
    """From the topic to the table and out of it, with both workers as they are deployed."""
    published = [body(template_name="later") for _ in range(50)]
    pipeline.publish(published)
    with storing(pipeline), pipeline.worker():
        wait_for_stored(pipeline, 50)
        pipeline.query("INSERT INTO prompt_templates (name, template_text) VALUES ('later', '-')")
        pipeline.publish(published)
        resolved = "SELECT count(*) FROM dead_letter_events WHERE status = 'resolved'"
        wait_until(lambda: pipeline.query(resolved) == [(50,)], 60, lambda: str(pipeline.query(resolved)))
    assert pipeline.ids() == {id_of(one) for one in published}
    assert pipeline.wrong_counters() == []


@pytest.mark.embedded_only
def test_store_survives_a_database_that_is_down(pipeline: Pipeline, postgres: Postgres) -> None:
    # Its memory is measured.
    pipeline.warm = False
    with storing(pipeline) as worker:
        publish(pipeline, *[dead(one) for one in bodies(500)])
        wait_for_stored(pipeline, 500)
        postgres.stop("immediate")
        publish(pipeline, *[dead(one) for one in bodies(2000, seed=1)])
        worker.wait_for(lambda w: w.messages("WARNING"))
        before = worker.rss
        time.sleep(3)
        assert worker.rss - before < 20 * MEGABYTE
        postgres.start()
        wait_for_stored(pipeline, 2500)
        assert worker.terminate()[0] == 0
    assert pipeline.query(STORED) == [(2500, 2500)]
    assert worker.messages("ERROR", "CRITICAL") == []


@pytest.mark.embedded_only
def test_killed_store_loses_none_and_counts_none_twice(pipeline: Pipeline) -> None:
    letters = [dead(one) for one in bodies(3000)]
    publish(pipeline, *letters)
    for moment in (0.0, 0.1, 0.2):
        with storing(pipeline, PROMPT_WORKER_BATCH_MESSAGES="200") as worker:
            worker.wait_for(lambda w: w.logs)
            time.sleep(moment)
            worker.kill()
    # As other messages: what the killed ones hold is redelivered only after its lease; and the emulator may answer a
    # pull of theirs with some of these, as it does not notice that they are gone.
    publish(pipeline, *letters)
    with storing(pipeline) as worker:
        wait_for_stored(pipeline, 3000, seconds=100)
        assert worker.terminate()[0] == 0
    assert pipeline.query(STORED) == [(3000, 3000)]


@pytest.mark.embedded_only
def test_list_and_summary_of_fifty_thousand_in_flat_memory(pipeline: Pipeline) -> None:
    pipeline.query(
        "INSERT INTO dead_letter_events (consumer, event_key, source, error_class, reason, cause, payload, attributes, "
        "occurrences, first_seen, last_seen) SELECT 'executions', uuid_v7(), 'worker', '-', repeat('r', 500), n %% 7, "
        "'-', '{}', '{1}', now(), now() FROM generate_series(1, %s) n",
        50_000,
    )
    pipeline.warm = False
    peaks = {}
    for limit in (500, 0):
        with pipeline.worker_program(LIST, LIMIT=str(limit)) as worker:
            wait_until(lambda: "PEAK" in worker.output, 60, lambda: worker.output[-500:])
        lines = worker.output.splitlines()
        peaks[limit] = int(lines[-1].removeprefix("PEAK "))
        assert len([line for line in lines if line.startswith("{")]) == (limit or 50_000)
    assert peaks[0] - peaks[500] < 15 * MEGABYTE
    with pipeline.command("dead-letters", "summary", "--json") as worker:
        wait_until(lambda: not worker.running, 60, lambda: worker.output)
    assert json.loads(worker.output)["total"] == 50_000


LIST = """
import os, resource
from prompt_worker.commands.cli import main
main(["dead-letters", "list", "--json", "--limit", os.environ["LIMIT"]])
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
"""
