"""Events near Pub/Sub's limit of 10 MB: bytes in flight are bounded over all lanes and pulls, and so is the memory."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import md5

import psycopg2
import pytest
from google.pubsub_v1.types import PubsubMessage

from prompt_worker.local.servers.postgres import Postgres
from tests.support.events import bodies, body, id_of, with_raw
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pushing import Serving, Signer
from tests.support.timing import STOP_SECONDS

pytestmark = pytest.mark.embedded_only

LARGE = 9_500_000
# Bytes: the smallest container has 512 MiB.
MOST = 300_000_000
# Seconds, for the largest of these backlogs on a busy machine.
PATIENCE = 240.0
WORDS = ("water", "light", "sugar", "leaves", "oxygen", "energy", "cells", "carbon")


@cache
def text() -> str:
    return " ".join(random.Random(1).choices(WORDS, k=LARGE // 5))


@pytest.fixture(autouse=True)
def fresh(pipeline: Pipeline) -> None:
    """Memory is the subject: that of a Python that starts with nothing."""
    pipeline.warm = False


def large(count: int, **fields: str) -> list[bytes]:
    """Events of which nearly all is the prompt and the response."""
    half = (LARGE - 1_000) // 2
    return [
        body(
            **{"rendered_prompt": f"{n} {text()[:half]}", "model_response": text()[half : 2 * half]} | fields
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("consumer", ["executions", "guardrails"])
def test_large_events_take_less_than_300_mb(pipeline: Pipeline, consumer: str) -> None:
    published = large(40)
    pipeline.publish(published)
    with pipeline.command("run", consumer) as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) >= len(published), PATIENCE)
        assert worker.peak <= MOST, f"{worker.peak / 1e6:.0f} MB"
        assert worker.terminate()[0] == 0
    assert worker.totals == {"written": len(published)}
    if consumer == "executions":
        pipeline.assert_exact(published)


@pytest.mark.parametrize("size", [LARGE, 1_500_000], ids=["one a batch", "several a batch"])
def test_large_dead_letters_take_less_than_300_mb(pipeline: Pipeline, size: int) -> None:
    letters = [body(rendered_prompt=f"{n} {text()[: size - 1_000]}") for n in range(40)]
    names = pipeline.topology.names
    attributes = {"dead-letter-error-class": "unknown_template", "dead-letter-source": names.writer}
    pipeline.publish_messages(
        [PubsubMessage(data=letter, attributes=attributes) for letter in letters], names.dead_letter_topic
    )
    with pipeline.command("run", "dead-letters") as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) >= len(letters), PATIENCE)
        assert worker.peak <= MOST, f"{worker.peak / 1e6:.0f} MB"
        assert worker.terminate()[0] == 0
    assert worker.totals == {"written": len(letters)}
    stored = pipeline.query("SELECT event_key, md5(payload) FROM dead_letter_events")
    assert set(stored) == {(str(id_of(one)), md5(one).hexdigest()) for one in letters}


def many(entry: Callable[[int], str]) -> bytes:
    """An event of which nearly all is a list of very many small variables."""
    each = len(entry(10_000_000)) + 1
    listed = ",".join(map(entry, range(10_000_000, 10_000_000 + (LARGE - 10_000) // each)))
    return with_raw("input_variables", f'{{"all": [{listed}]}}'.encode())


# What is most in memory: the names of variables, what is found, and objects.
TINY = {
    "digits": lambda _: "1",
    "findings": lambda number: f'"536-90-{number % 9_000 + 1_000}"',
    "objects": lambda _: '{"a":{"b":1}}',
}


@pytest.mark.parametrize("shape", TINY)
def test_millions_of_variables_take_less_than_300_mb(pipeline: Pipeline, shape: str) -> None:
    """In Python each of them takes many times its own size."""
    published = many(TINY[shape])
    pipeline.publish([published])
    for consumer in ("executions", "guardrails"):
        with pipeline.command("run", consumer) as worker:
            worker.wait_for(lambda w: w.totals.get("written"), PATIENCE)
            assert worker.peak <= MOST, f"{consumer}: {worker.peak / 1e6:.0f} MB"
            assert worker.terminate()[0] == 0
    [(violations,)] = pipeline.query("SELECT count(*) FROM guardrail_violations")
    assert violations == (1000 if shape == "findings" else 0)


def test_batch_with_very_many_findings_takes_less_than_300_mb(pipeline: Pipeline) -> None:
    """Class lists: the events are small, and a thousand violations of each are not."""
    pipeline.query("UPDATE prompt_guardrails SET action = 'block' WHERE guardrail_type = 'pii_detection'")
    listed = [f"536-90-{number}" for number in range(1000, 2000)]
    published = [body(input_variables={"students": listed}) for _ in range(150)]
    pipeline.publish(published)
    with pipeline.guardrail_worker() as worker:
        worker.wait_for(lambda w: w.totals.get("written", 0) >= len(published), PATIENCE)
        assert worker.peak <= MOST, f"{worker.peak / 1e6:.0f} MB"
        assert worker.terminate()[0] == 0
    assert pipeline.query("SELECT count(*) FROM guardrail_violations") == [(150_000,)]
    assert pipeline.wrong_counters() == []


def test_large_events_of_wide_characters_take_less_than_300_mb(pipeline: Pipeline) -> None:
    """One wide character makes a text four times as large in Python."""
    pipeline.publish(
        large(12, model_response="\N{GRINNING FACE}", rendered_prompt=text()[: LARGE - 1_000] + "😀")
    )
    for consumer in ("executions", "guardrails"):
        with pipeline.command("run", consumer) as worker:
            worker.wait_for(lambda w: w.totals.get("written", 0) >= 12, PATIENCE)
            assert worker.peak <= MOST, f"{consumer}: {worker.peak / 1e6:.0f} MB"


def test_large_small_invalid_and_repeated_events_are_all_settled(pipeline: Pipeline) -> None:
    good, bad = large(8), large(6, status="nonsense")
    published = good + bad + bodies(300) + good
    random.Random(2).shuffle(published)
    pipeline.publish(published)
    with pipeline.worker() as worker:
        worker.wait_for(lambda w: sum(w.totals.values()) >= len(published), PATIENCE)
        pipeline.publish(good[:3])
        worker.wait_for(lambda w: sum(w.totals.values()) >= len(published) + 3, PATIENCE)
        assert worker.peak <= MOST, f"{worker.peak / 1e6:.0f} MB"
        assert worker.terminate()[0] == 0
    assert worker.totals == {"written": 308, "duplicate": 11, "dead-lettered": 6}
    dead_letters = pipeline.dead_letters(6)
    assert {message.data for message in dead_letters} == set(bad)
    pipeline.assert_exact(published, dead_letters)


def test_large_events_wait_for_the_database_in_bounded_memory(pipeline: Pipeline, postgres: Postgres) -> None:
    published = large(12) + bodies(100)
    postgres.stop()
    with pipeline.worker() as worker:
        pipeline.publish(published)
        worker.wait_for(lambda w: w.messages("WARNING"))
        time.sleep(3)
        postgres.start()
        worker.wait_for(lambda w: w.totals.get("written", 0) >= len(published), PATIENCE)
        assert worker.peak <= MOST, f"{worker.peak / 1e6:.0f} MB"
        assert worker.terminate()[0] == 0
    pipeline.assert_exact(published)


@pytest.mark.parametrize("locked", [True, False], ids=["hanging", "writing"])
def test_large_events_are_handed_back_at_sigterm(pipeline: Pipeline, *, locked: bool) -> None:
    """Also when every lane hangs and no byte more may be pulled."""
    published = large(12)
    locking = psycopg2.connect(pipeline.database)
    if locked:
        locking.cursor().execute("SELECT FROM prompt_templates FOR UPDATE")
    with pipeline.worker() as first:
        pipeline.publish(published)
        first.wait_for(lambda w: len(waiting_lanes(pipeline)) >= 2 if locked else pipeline.rows())
        code, seconds = first.terminate()
        assert code == 0
        assert seconds < STOP_SECONDS
        assert first.messages("ERROR", "CRITICAL") == []
    locking.close()
    written = pipeline.rows()
    assert written < len(published)
    with pipeline.worker() as second:
        second.wait_for(lambda w: w.totals.get("written", 0) >= len(published) - written, PATIENCE)
        assert second.terminate()[0] == 0
    assert second.totals == {"written": len(published) - written}
    pipeline.assert_exact(published)


def waiting_lanes(pipeline: Pipeline) -> list[object]:
    return pipeline.query(
        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'prompt-worker%' "
        "AND datname = current_database()"
    )


def test_large_pushed_events_take_less_than_300_mb(pipeline: Pipeline) -> None:
    published = large(24)
    with Signer() as signer, Serving(pipeline, signer) as serving, ThreadPoolExecutor(12) as senders:
        statuses = set(senders.map(lambda sent: push_until_settled(serving, sent), published))
        assert statuses <= {204, 429}
        assert serving.process.peak <= MOST, f"{serving.process.peak / 1e6:.0f} MB"
        assert serving.process.terminate()[0] == 0
    pipeline.assert_exact(published)


def push_until_settled(serving: Serving, sent: bytes) -> int:
    """As Pub/Sub does; the first status."""
    first = status = serving.push(sent).status
    while status != 204:
        time.sleep(0.2)
        status = serving.push(sent).status
    return first


def test_pushed_events_that_were_given_up_keep_their_room(pipeline: Pipeline, postgres: Postgres) -> None:
    """While the database is down, each is answered 503 and sent again, and the lanes still hold the first ones."""
    published = large(40)
    with Signer() as signer, Serving(pipeline, signer, PROMPT_WORKER_PUSH_ANSWER_SECONDS="1") as serving:
        assert serving.push(body()).status == 204
        postgres.stop()
        with ThreadPoolExecutor(4) as senders:
            statuses = list(senders.map(lambda sent: serving.push(sent).status, published))
        assert set(statuses) <= {429, 503}
        assert serving.process.peak <= MOST, f"{serving.process.peak / 1e6:.0f} MB"
        postgres.start()
        wait_until(lambda: serving.push(body()).status == 204, 60, lambda: serving.process.output)
        assert push_until_settled(serving, published[0]) in (204, 429, 503)
        assert serving.process.terminate()[0] == 0
    assert pipeline.dead_letters(0) == []
    assert pipeline.wrong_counters() == []
