"""A message that Pub/Sub refuses is alone in that: its neighbours are dead-lettered, and sent again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.platform.pubsub.topic import Topic
from tests.support.events import body, id_of
from tests.support.pipeline import Pipeline
from tests.support.refusing import refusing_above
from tests.support.replaying import create_template, letter, sent, statuses, store

pytestmark = pytest.mark.embedded_only

MOST = 100_000
LARGE = "x" * MOST
WITHOUT_ROOM = body(template_name="nobody-knows", rendered_prompt="x" * (MOST - 500))
REFUSED = "1 rejected events handed back: Pub/Sub does not accept them on the dead-letter topic"

Command = Callable[..., str]


@pytest.fixture
def refusing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Clients made in the test find Pub/Sub with this limit; those of the pipeline have none."""
    with refusing_above(os.environ["PUBSUB_EMULATOR_HOST"], MOST) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        yield host


def topic(pipeline: Pipeline) -> Topic:
    return Topic(PublisherClient(), pipeline.topology.topic_path(pipeline.topology.names.topic))


@pytest.mark.parametrize("large", [{0}, {7}, {19}, {3, 4, 11}, set(range(19))])
def test_topic_accepts_all_but_the_refused(pipeline: Pipeline, refusing: str, large: set[int]) -> None:
    bodies = [body(rendered_prompt=LARGE) if number in large else body() for number in range(20)]
    messages = [PubsubMessage(data=one) for one in bodies]
    assert set(topic(pipeline).publish(messages, timeout=20, retry=False)) == large
    arrived = pipeline.pull_all(pipeline.writer, 20 - len(large))
    assert {message.data for message in arrived} == {
        bodies[number] for number in range(20) if number not in large
    }


def test_topic_that_refuses_each_of_several_is_at_fault(pipeline: Pipeline, refusing: str) -> None:
    messages = [PubsubMessage(data=body(rendered_prompt=LARGE)) for _ in range(5)]
    with pytest.raises(InvalidArgument):
        topic(pipeline).publish(messages, timeout=20, retry=False)
    assert topic(pipeline).publish(messages[:1], timeout=20, retry=False) == [0]


def test_neighbours_of_a_refused_rejection_are_dead_lettered(pipeline: Pipeline, refusing: str) -> None:
    good = [body() for _ in range(100)]
    bad = [body(template_name="nobody-knows") for _ in range(20)]
    refused = body(template_name="nobody-knows", rendered_prompt=LARGE)
    pipeline.publish([*good, *bad[:10], refused, *bad[10:]])
    with pipeline.worker(PUBSUB_EMULATOR_HOST=refusing) as worker:
        worker.wait_for(lambda w: w.totals.get("dead-lettered") == 20 and w.totals.get("retry"))
        assert worker.terminate()[0] == 0
    assert {id_of(message.data) for message in pipeline.dead_letters(20)} == {id_of(one) for one in bad}
    assert pipeline.rows() == 100
    assert {message.data for message in pipeline.unsettled(20)} == {refused}
    assert any(
        "1 rejected events handed back: Pub/Sub does not accept them" in line
        for line in worker.messages("WARNING")
    )


def test_replay_sends_all_but_the_refused(pipeline: Pipeline, prompt_worker: Command, refusing: str) -> None:
    create_template(pipeline, "later")
    bodies = [body(template_name="later") for _ in range(30)]
    refused = body(template_name="later", rendered_prompt=LARGE)
    store(pipeline.database, map(letter, [*bodies[:10], refused, *bodies[10:]]))
    printed = prompt_worker("dead-letters", "replay", "--yes", "--wait", "0", code=1)
    ((id_,),) = pipeline.query("SELECT id::text FROM dead_letter_events WHERE status = 'pending'")
    assert "30 sent" in printed
    assert f"1 not sent, Pub/Sub does not accept them (10 MB at most): {id_}" in printed
    assert {id_of(message.data) for message in sent(pipeline, 30)} == {id_of(one) for one in bodies}
    assert statuses(pipeline) == {"pending": 1, "replayed": 30}
    assert pipeline.query("SELECT counts, ended_at IS NOT NULL FROM dead_letter_actions") == [
        ({"sent": 30, "refused": 1}, True)
    ]


def test_slow_replay_goes_on_beyond_the_refused(
    pipeline: Pipeline, prompt_worker: Command, refusing: str
) -> None:
    """One in a batch, as with a low rate: here nothing but the refused one is in its batch."""
    store(
        pipeline.database,
        map(letter, [body(), body(rendered_prompt=LARGE), body(), body(rendered_prompt=LARGE)]),
    )
    printed = prompt_worker("dead-letters", "replay", "--yes", "--wait", "0", "--rate", "2", "--json", code=1)
    done = json.loads(next(line for line in printed.splitlines() if line.startswith("{")))
    assert (done["sent"], len(done["refused"])) == (2, 2)
    assert "2 not sent" in printed
    assert statuses(pipeline) == {"pending": 2, "replayed": 2}


def test_rejection_that_fills_its_request_arrives_bare(pipeline: Pipeline, refusing: str) -> None:
    """Its attributes are too much, as for a body of nearly 10 MB."""
    pipeline.publish([body(template_name="nobody-knows"), WITHOUT_ROOM])
    with pipeline.worker(PUBSUB_EMULATOR_HOST=refusing) as worker:
        worker.wait_for(lambda w: w.totals.get("dead-lettered") == 2)
        assert worker.terminate()[0] == 0
    attributes = {message.data: dict(message.attributes) for message in pipeline.dead_letters(2)}
    assert attributes.pop(WITHOUT_ROOM) == {}
    assert [one["dead-letter-error-class"] for one in attributes.values()] == ["unknown_template"]
