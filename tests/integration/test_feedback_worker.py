"""Feedback from a service to its row: published, pulled or pushed, rejected, corrected and replayed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from google.pubsub_v1.types import PushConfig

from prompt_worker import Publisher
from prompt_worker.event import feedback
from prompt_worker.event.execution import parse
from prompt_worker.local.servers.server import free_port
from tests.support.events import body, id_of
from tests.support.feedback import feedback_body
from tests.support.pipeline import Pipeline
from tests.support.probing import probe
from tests.support.pushing import FEEDBACK
from tests.support.replaying import letter, statuses, store, store_from_topic

pytestmark = pytest.mark.embedded_only

Command = Callable[..., str]


def test_feedback_of_a_service_becomes_a_row_once(pipeline: Pipeline) -> None:
    request, event = uuid4(), uuid4()
    at = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    with Publisher(pipeline.topology.project, source="tutor") as publisher:
        publisher.feedback(request_id=request, name="helpful", value=True)
        publisher.feedback(
            request_id=request, name="helpful", value=-1, source="user", at=at + timedelta(hours=1)
        )
        publisher.feedback(request_id=request, name="helpful", value=1, source="user", at=at)
        for _ in range(2):
            publisher.feedback(
                request_id=str(request), name="edits", value=0.25, source="judge", event_id=event
            )
        # A fork has senders of its own.
        if (child := os.fork()) == 0:
            sent = publisher.feedback(request_id=request, name="helpful", value=0, source="child")
            sent.result(20)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        assert publisher.flush(20)
        assert publisher.counts.published == 5
    with pipeline.command("run", "feedback") as worker:
        pipeline.wait_for_feedback(5)
        worker.wait_for(lambda w: sum(w.totals.values()) == 6)
        assert worker.totals == {"written": 5, "duplicate": 1}
        assert worker.terminate()[0] == 0
    assert pipeline.query(
        "SELECT name, source, value::float8 FROM v_prompt_feedback WHERE request_id = %s ORDER BY 1, 2",
        str(request),
    ) == [("edits", "judge", 0.25), ("helpful", "child", 0), ("helpful", "tutor", 1), ("helpful", "user", -1)]


def test_script_that_just_ends_has_sent_both_kinds(pipeline: Pipeline) -> None:
    code = """
    from uuid import uuid4
    from prompt_worker import ExecutionEvent, Publisher
    publisher, request = Publisher(), uuid4()
    publisher.publish(ExecutionEvent(template_name="t", template_version=1, rendered_prompt="p", status="success",
                                     input_variables={}, request_id=request))
    publisher.feedback(request_id=request, name="helpful", value=1)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **pipeline.environment},
        check=True,
        timeout=60,
    )
    (execution,) = pipeline.pull_all(pipeline.writer, 1)
    (given,) = pipeline.pull_all(pipeline.topology.subscription_path(pipeline.topology.names.feedback), 1)
    assert parse(execution.data)[0].request_id == feedback.parse(given.data)[0].request_id
    assert given.attributes["ce-source"] == feedback.parse(given.data)[0].source == "unknown-service"


def test_rejected_feedback_is_corrected_and_replayed(pipeline: Pipeline, prompt_worker: Command) -> None:
    wrong, execution, good = feedback_body(value=3), body(), feedback_body()
    pipeline.publish_feedback([wrong, execution, good])
    with pipeline.command("run", "feedback") as worker:
        pipeline.wait_for_feedback(1)
        store_from_topic(pipeline, 2)
        listed = [json.loads(line) for line in prompt_worker("dead-letters", "list", "--json").splitlines()]
        assert {each["consumer"] for each in listed} == {"feedback"}
        # Of an execution too, which was published to the wrong topic.
        store(pipeline.database, [letter(body())])
        assert prompt_worker("dead-letters", "list", "--json", "--consumer", "feedback").count("\n") == 2
        (id_,) = [each["id"] for each in listed if each["event_id"] == str(id_of(wrong))]
        shown = prompt_worker("dead-letters", "show", id_)
        assert '"value": 3' in shown
        assert '"name": "helpful"' in shown
        assert "<= 1.0 - at `$.value`" in shown

        edit = ("dead-letters", "edit", id_, "--set")
        assert "an event has no such field" in prompt_worker(*edit, "status=x", code=65)
        assert "--set value: Expected `float` <= 1.0" in prompt_worker(*edit, "value=7", code=65)
        edited = prompt_worker(*edit, "value=-0.5")
        assert "+ value: -0.5" in edited
        rehearsed = prompt_worker("dead-letters", "replay", "--consumer", "feedback")
        assert "2 events: 1 would be written, 1 would fail again" in rehearsed
        assert pipeline.feedback() == 1
        replayed = prompt_worker("dead-letters", "replay", "--event-id", str(id_of(wrong)), "--yes")
        assert "1 sent: 1 resolved" in replayed
        assert worker.terminate()[0] == 0
    assert pipeline.query(
        "SELECT value::float8 FROM prompt_feedback WHERE event_id = %s", str(id_of(wrong))
    ) == [(-0.5,)]
    assert pipeline.ids() == set(), "nothing of it was taken for an execution"
    assert statuses(pipeline)["resolved"] == 1


def test_dead_letter_of_stored_feedback_is_resolved(pipeline: Pipeline) -> None:
    early, late = feedback_body(), feedback_body()
    pipeline.publish_feedback([early])
    with pipeline.command("run", "feedback"):
        pipeline.wait_for_feedback(1)
        source = pipeline.topology.names.feedback
        store(pipeline.database, [letter(one, "unknown", "-", source=source) for one in (early, late)])
        assert statuses(pipeline) == {"resolved": 1, "pending": 1}
        pipeline.publish_feedback([late])
        pipeline.wait_for_feedback(2)
    assert statuses(pipeline) == {"resolved": 2}


def test_seek_of_feedback_says_how_much_comes_again(pipeline: Pipeline, prompt_worker: Command) -> None:
    pipeline.publish_feedback(feedback_body() for _ in range(3))
    with pipeline.command("run", "feedback") as worker:
        pipeline.wait_for_feedback(3)
        since = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
        arguments = ("seek", pipeline.topology.names.feedback, "--to", since)
        assert "about 3 messages will be delivered again" in prompt_worker(*arguments)
        prompt_worker(*arguments, "--yes")
        worker.wait_for(lambda w: w.totals.get("duplicate") == 3)
    assert pipeline.feedback() == 3


def test_pub_sub_pushes_feedback_too(pipeline: Pipeline) -> None:
    port = free_port()
    settings = {"PORT": str(port), "PROMPT_WORKER_PUSH_WITHOUT_TOKEN": "true"}
    with pipeline.command("serve", "feedback", **settings) as serving:
        serving.wait_for(lambda _: probe(port, "/readyz")[0] == 200)
        pipeline.subscriber.modify_push_config(
            subscription=pipeline.topology.subscription_path(pipeline.topology.names.feedback),
            push_config=PushConfig(push_endpoint=f"http://127.0.0.1:{port}{FEEDBACK}"),
        )
        pipeline.publish_feedback([*(feedback_body() for _ in range(50)), feedback_body(value=2)])
        pipeline.wait_for_feedback(50)
        (rejected,) = pipeline.dead_letters(1)
        assert rejected.attributes["dead-letter-source"] == pipeline.topology.names.feedback
        assert serving.terminate()[0] == 0
