"""A rejected event on its dead-letter topic: its bytes and attributes as they came, and why it is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import NotFound
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Rejected
from prompt_worker.consuming.pull.subscription import Subscription
from prompt_worker.consuming.rejection import DeadLetterTopic
from tests.support.events import body
from tests.support.pipeline import Pipeline, wait_until

REJECTED = Rejected("invalid_field", "Object missing required field `status`")


def received(pipeline: Pipeline, *messages: PubsubMessage) -> list[Message]:
    """The messages as a worker receives them."""
    pipeline.publish_messages(messages)
    subscription = Subscription(pipeline.subscriber, pipeline.writer, ack_deadline=60, open_pulls=1)
    found: list[Message] = []
    wait_until(
        lambda: found.extend(subscription.receive(0.2)) or len(found) >= len(messages),
        10,
        lambda: f"{len(found)}",
    )
    subscription.acknowledge(found)
    subscription.close()
    return found


def topic(pipeline: Pipeline, name: str | None = None) -> DeadLetterTopic:
    path = pipeline.topology.topic_path(name or pipeline.topology.names.dead_letter_topic)
    return DeadLetterTopic(pipeline.publisher, path, source=pipeline.writer)


@pytest.fixture
def pipeline(project: str) -> Pipeline:
    return Pipeline(project, "no database")


def test_rejection_keeps_bytes_attributes_and_times(pipeline: Pipeline) -> None:
    started = datetime.now(UTC)
    (message,) = received(
        pipeline, PubsubMessage(data=b"\xff\0not JSON", attributes={"ce-id": "1", "own": "é"})
    )
    topic(pipeline).publish([(message, REJECTED)])
    (letter,) = pipeline.dead_letters(1)
    attributes = dict(letter.attributes)
    first_seen = datetime.fromisoformat(attributes.pop("dead-letter-first-seen"))
    last_seen = datetime.fromisoformat(attributes.pop("dead-letter-last-seen"))
    assert letter.data == b"\xff\0not JSON"
    assert attributes == {
        "ce-id": "1",
        "own": "é",
        "dead-letter-error-class": REJECTED.error_class,
        "dead-letter-reason": REJECTED.reason,
        "dead-letter-source": "prompt-executions-writer",
        "dead-letter-message-id": message.message_id,
    }
    assert started - timedelta(seconds=1) <= first_seen <= last_seen <= datetime.now(UTC)


def test_rejection_after_a_replay_keeps_first_seen(pipeline: Pipeline) -> None:
    (message,) = received(
        pipeline, PubsubMessage(data=b"x", attributes={"dead-letter-first-seen": "2026-01-01T00:00:00+00:00"})
    )
    topic(pipeline).publish([(message, REJECTED)])
    (letter,) = pipeline.dead_letters(1)
    assert letter.attributes["dead-letter-first-seen"] == "2026-01-01T00:00:00+00:00"


def test_long_reason_is_cut_between_characters(pipeline: Pipeline) -> None:
    (message,) = received(pipeline, PubsubMessage(data=b"x"))
    topic(pipeline).publish([(message, Rejected("unknown_template", "x" + "é" * 2000))])
    (letter,) = pipeline.dead_letters(1)
    assert letter.attributes["dead-letter-reason"] == "x" + "é" * 511


def test_thousands_of_rejections_are_within_request_limits(pipeline: Pipeline) -> None:
    messages = received(pipeline, *[PubsubMessage(data=body()) for _ in range(2500)])
    topic(pipeline).publish([(message, REJECTED) for message in messages])
    letters = pipeline.dead_letters(2500, seconds=20)
    assert sorted(letter.data for letter in letters) == sorted(message.data for message in messages)


@pytest.mark.parametrize("spare", [3000, 300, 50])
def test_rejection_is_within_the_service_limit(pipeline: Pipeline, spare: int) -> None:
    """Beside a body that fills its message, what does not fit is left out; the body and the error class never."""
    full = PubsubMessage(data=b"x" * (10_000_000 - spare))
    (message,) = received(pipeline, full)
    topic(pipeline).publish([(message, REJECTED)])
    (letter,) = pipeline.dead_letters(1)
    assert letter.data == full.data
    assert letter.attributes["dead-letter-error-class"] == REJECTED.error_class
    published = PubsubMessage(data=letter.data, attributes=dict(letter.attributes))
    assert PubsubMessage.pb(published).ByteSize() <= 10_000_000
    assert ("dead-letter-reason" in letter.attributes) == (spare > 100)


def test_event_with_the_most_attributes_is_published(pipeline: Pipeline) -> None:
    (message,) = received(
        pipeline, PubsubMessage(data=b"x", attributes={f"a{n:03}": "v" for n in range(100)})
    )
    topic(pipeline).publish([(message, REJECTED)])
    (letter,) = pipeline.dead_letters(1)
    assert letter.attributes["dead-letter-reason"] == REJECTED.reason
    assert len(letter.attributes) == 100


def test_missing_dead_letter_topic_is_an_error(pipeline: Pipeline) -> None:
    (message,) = received(pipeline, PubsubMessage(data=b"x"))
    with pytest.raises(NotFound):
        topic(pipeline, "not-there").publish([(message, REJECTED)])
