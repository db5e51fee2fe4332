"""Dead letters put into the database by the store, without a broker in between."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from prompt_worker.consuming.message import Message
from prompt_worker.consuming.outcome import Verdict
from prompt_worker.consuming.pull.subscription import Subscription
from prompt_worker.deadletters.store import DeadLetterStore
from prompt_worker.event.execution import EVENT_TYPE
from prompt_worker.platform.postgres.engine import connect
from prompt_worker.platform.pubsub.topology import Names
from tests.support import deadletters
from tests.support.pipeline import Pipeline, wait_until

ATTRIBUTES = {"ce-specversion": "1.0", "ce-type": EVENT_TYPE, "environment": "staging"}


def letter(
    body: bytes,
    error_class: str = "unknown_template",
    reason: str = "no template nobody-knows version 1",
    *,
    source: str = deadletters.WRITER,
    **attributes: str,
) -> Message:
    """A message of the dead-letter topic, as a worker publishes it."""
    failure = deadletters.made(error_class=error_class, reason=reason, source=source)
    return deadletters.letter(body, ATTRIBUTES | attributes | failure)


def store(database: str, messages: Iterable[Message]) -> None:
    """All of them, new or failed again."""
    engine = connect(database, application_name="tests")
    handle = DeadLetterStore(
        engine, threading.Event(), guardrails=Names().guardrails, feedback=Names().feedback
    )
    waiting = list(messages)
    for start in range(0, len(waiting), 500):
        assert Verdict.RETRY not in handle(waiting[start : start + 500])
    engine.dispose()


def store_from_topic(pipeline: Pipeline, number: int, seconds: float = 20) -> None:
    """Stores the messages of the dead-letter topic's subscription, once there are so many."""
    path = pipeline.topology.subscription_path(pipeline.topology.names.dead_letter_store)
    subscription = Subscription(pipeline.subscriber, path, ack_deadline=60, open_pulls=1)
    found: list[Message] = []
    wait_until(
        lambda: found.extend(subscription.receive(0.2)) or len(found) >= number,
        seconds,
        lambda: f"{len(found)} of {number} dead letters",
    )
    store(pipeline.database, found)
    subscription.acknowledge(found)
    subscription.close()


def statuses(pipeline: Pipeline) -> dict[str, int]:
    """How many dead letters there are of each status."""
    return dict(pipeline.query("SELECT status, count(*) FROM dead_letter_events GROUP BY status"))


def create_template(pipeline: Pipeline, name: str) -> None:
    pipeline.query(
        "INSERT INTO prompt_templates (name, version, template_text, is_active) VALUES (%s, 1, '-', true)",
        name,
    )


def sent(pipeline: Pipeline, number: int, seconds: float = 15) -> Sequence[Any]:
    """The messages that a replay published, as the execution worker would receive them; acknowledged."""
    return pipeline.pull_all(pipeline.writer, number, seconds)
