"""`Publisher.publish()` on the caller's thread, against the client library's bare `publish()`, call by call."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median, quantiles

from google.cloud.pubsub_v1 import PublisherClient

from prompt_worker import Publisher
from prompt_worker.event.execution import EVENT_TYPE, encode
from prompt_worker.platform.pubsub.topology import Names
from tests.benchmarks.events import make
from tests.benchmarks.services import Database, VoidError
from tests.benchmarks.table import Row, times

# Seconds between calls: a service does other things too.
PAUSE = 0.001
WARM_UP = 200
GOAL = 0.5


def measure(database: Database, number: int) -> Row:
    """To a topic without subscriptions. The bare call gets bytes and attributes made beforehand: ours makes them."""
    project = f"bench-publish-{time.time_ns()}"
    client = PublisherClient()
    topic = client.topic_path(project, Names().topic)
    client.create_topic(name=topic)
    publisher = Publisher(project, source="bench")
    ours: list[int] = []
    bare: list[int] = []
    results = []
    for position, event in enumerate(make(number + WARM_UP, database.templates())):
        body = encode(event)
        attributes = {
            "ce-type": EVENT_TYPE,
            "ce-id": str(event.event_id),
            "template_name": event.template_name,
        }
        calls: list[tuple[list[int], Callable[[], object]]] = [
            (ours, lambda event=event: publisher.publish(event)),
            (bare, lambda body=body, attributes=attributes: client.publish(topic, body, **attributes)),
        ]
        for timings, call in calls if position % 2 else reversed(calls):
            time.sleep(PAUSE)
            start = time.perf_counter_ns()
            results.append(call())
            timings.append(time.perf_counter_ns() - start)
    for result in results:
        result.result(timeout=30)
    if publisher.close().given_up:
        raise VoidError("the publisher gave events up")
    client.stop()
    ours_us, bare_us = (median(timings[WARM_UP:]) / 1e3 for timings in (ours, bare))
    ours_p99, bare_p99 = (quantiles(timings[WARM_UP:], n=100)[98] / 1e3 for timings in (ours, bare))
    ratio = ours_us / bare_us
    return Row(
        "Publisher.publish() on the caller's thread, against the client library's bare publish()",
        f"{times(ratio, 2)} (median {ours_us:.0f} µs against {bare_us:.0f} µs; "
        f"p99 {ours_p99:.0f} against {bare_p99:.0f} µs)",
        f"≤ {times(GOAL)}",
        ratio <= GOAL,
        {
            "ratio": ratio,
            "ours_us": ours_us,
            "bare_us": bare_us,
            "ours_p99_us": ours_p99,
            "bare_p99_us": bare_p99,
        },
    )
