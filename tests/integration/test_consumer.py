"""The execution worker as a process: what is published becomes rows, once, and every wrong start says what to do."""

from __future__ import annotations

import time

import pytest

from prompt_worker.platform.pubsub.reconciling import reconcile
from tests.support.events import bodies, body
from tests.support.pipeline import Pipeline, connected
from tests.support.worker_process import WorkerProcess

pytestmark = pytest.mark.embedded_only


def test_published_events_become_rows_and_exact_counters(pipeline: Pipeline) -> None:
    published = bodies(3000)
    pipeline.publish(published)
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(3000)
        assert worker.terminate()[0] == 0
        assert worker.totals == {"written": 3000}
        assert worker.messages("WARNING", "ERROR") == []
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []


def test_written_events_are_acknowledged(database: str, project: str) -> None:
    pipeline = Pipeline(project, database, ack_deadline=10, warm=True)
    pipeline.publish([*bodies(500), body(template_name="nobody-knows")])
    with pipeline.worker() as worker:
        pipeline.wait_for_rows(500)
        worker.terminate()
    assert pipeline.unsettled(seconds=12) == []
    pipeline.close()


def test_single_event_does_not_wait_for_company(pipeline: Pipeline) -> None:
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: w.logs)

        def seconds(number: int) -> float:
            started = time.monotonic()
            pipeline.publish([body()])
            pipeline.wait_for_rows(number)
            return time.monotonic() - started

        # Only a machine with much to do needs more than one of them.
        assert any(seconds(number) < 1 for number in range(1, 11))


def test_next_batch_grows_while_a_commit_waits(pipeline: Pipeline) -> None:
    with pipeline.worker() as worker, connected(pipeline.database) as cursor:
        worker.wait_for(lambda w: w.logs)
        cursor.execute("BEGIN; LOCK TABLE prompt_templates IN EXCLUSIVE MODE")
        for published in bodies(21):
            pipeline.publish([published])
            # Each is older than a batch may grow while nothing is written.
            time.sleep(0.05)
        cursor.execute("ROLLBACK")
        pipeline.wait_for_rows(21)
    assert pipeline.query("SELECT count(DISTINCT xmin::text) FROM prompt_executions") == [(2,)]


def test_only_bad_events_stop_the_worker_before_dead_lettering(pipeline: Pipeline) -> None:
    pipeline.publish([body(template_name="not-made-yet") for _ in range(3000)])
    with pipeline.worker(
        PROMPT_WORKER_BREAKER_WINDOW="100",
        PROMPT_WORKER_BATCH_MESSAGES="100",
        PROMPT_WORKER_BATCH_SECONDS="5",
        PROMPT_WORKER_LANES="1",
    ) as worker:
        assert worker.wait() == 70
        assert (worker.ending["severity"], worker.ending["exit_code"]) == ("CRITICAL", 70)
        assert "of the last 100 events were rejected (unknown_template: 100)" in worker.output
        assert "prompt-worker doctor" in worker.output
        assert "Traceback" not in worker.output
    assert pipeline.dead_letters(0) == []
    # And nothing is lost: once the template is there, so are the rows.
    pipeline.query("INSERT INTO prompt_templates (name, template_text) VALUES ('not-made-yet', 'x')")
    with pipeline.worker():
        pipeline.wait_for_rows(3000)


def test_worker_without_its_tables_ends_with_advice(empty_database: str, project: str) -> None:
    pipeline = Pipeline(project, empty_database, warm=True)
    pipeline.publish(bodies(10))
    with pipeline.worker() as worker:
        assert worker.wait() == 69
        assert (worker.ending["severity"], worker.ending["exit_code"]) == ("CRITICAL", 69)
        assert "prompt-worker migrate" in worker.ending["message"]
        assert "Traceback" not in worker.output
    assert pipeline.dead_letters(0) == []
    assert len(pipeline.unsettled(seconds=5)) == 10, "handed back"
    pipeline.close()


def test_worker_without_its_subscription_ends_with_advice(pipeline: Pipeline) -> None:
    pipeline.subscriber.delete_subscription(subscription=pipeline.writer)
    with pipeline.worker() as worker:
        assert worker.wait() == 69
        assert pipeline.writer in worker.output
        assert "prompt-worker topics" in worker.output
        assert "Traceback" not in worker.output


def test_wrong_settings_are_all_named_at_once() -> None:
    with WorkerProcess(
        {
            "DATABASE_URL": "",
            "PUBSUB_PROJECT_ID": "",
            "GOOGLE_CLOUD_PROJECT": "",
            "PROMPT_WORKER_LANES": "no",
        }
    ) as worker:
        assert worker.wait() == 78
        for name in ("DATABASE_URL", "PUBSUB_PROJECT_ID", "PROMPT_WORKER_LANES"):
            assert name in worker.ending["message"]
        assert (worker.ending["severity"], worker.ending["exit_code"]) == ("CRITICAL", 78)
        assert "Traceback" not in worker.output


def test_wrong_password_in_the_url_is_not_shown() -> None:
    with WorkerProcess({"DATABASE_URL": "mysql://u:s3cr3t@h/d", "PUBSUB_PROJECT_ID": "p"}) as worker:
        assert worker.wait() == 78
        assert "DATABASE_URL" in worker.output
        assert "s3cr3t" not in worker.output


def test_rejected_events_wait_for_a_missing_dead_letter_topic(
    pipeline: Pipeline,
) -> None:
    topic = pipeline.topology.topic_path(pipeline.topology.names.dead_letter_topic)
    store = pipeline.topology.subscription_path(pipeline.topology.names.dead_letter_store)
    pipeline.subscriber.delete_subscription(subscription=store)
    pipeline.publisher.delete_topic(topic=topic)
    pipeline.publish([*bodies(200), body(template_name="nobody-knows")])
    with pipeline.worker() as worker:
        worker.wait_for(
            lambda w: any(
                "1 rejected events handed back, not dead-lettered: NotFound" in m
                for m in w.messages("WARNING")
            )
        )
        pipeline.wait_for_rows(200)
        assert worker.running
        list(reconcile(pipeline.topology, pipeline.publisher, pipeline.subscriber))
        assert len(pipeline.dead_letters(1, seconds=20)) == 1
        assert worker.terminate()[0] == 0
    assert worker.totals["dead-lettered"] == 1
