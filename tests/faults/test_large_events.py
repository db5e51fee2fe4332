"""Events near Pub/Sub's limit of 10 MB: memory is bounded by bytes, over all lanes and open pulls."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.events import body
from tests.support.pipeline import Pipeline

pytestmark = pytest.mark.embedded_only

LARGE = 9_500_000
EVENTS = 90
# Bytes; the least memory of a container is 512 MiB.
MOST = 300_000_000


def large(count: int, size: int = LARGE) -> Iterator[bytes]:
    """Events of which nearly all is the prompt and the response."""
    chance = random.Random(1)
    words = ["water", "light", "sugar", "leaves", "oxygen", "energy", "cells", "carbon"]
    text = " ".join(chance.choices(words, k=size // 12))
    for number in range(count):
        prompt, response = f"{number} {text[: size // 2]}", f"{number} {text[size // 2 :]}"
        one = body(rendered_prompt=prompt, model_response=response)
        yield body(rendered_prompt=prompt, model_response=response + "." * (size - len(one)))


@pytest.mark.parametrize("consumer", ["executions", "guardrails"])
def test_large_events_take_less_than_300_mb(pipeline: Pipeline, consumer: str) -> None:
    published = list(large(EVENTS))
    pipeline.publish(published)
    with pipeline.command("run", consumer) as worker:
        worker.wait_for(lambda w: w.totals.get("written", 0) >= EVENTS, 120)
        peak = worker.peak
        assert worker.terminate()[0] == 0
    print(f"PEAK {consumer} {peak / 1e6:.0f} MB")
    assert worker.totals == {"written": EVENTS}
    assert peak <= MOST
    if consumer == "executions":
        pipeline.assert_exact(published)
