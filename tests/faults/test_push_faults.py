"""P1, P4 and P5 for pushed events: whatever happens, 204 means settled, and Pub/Sub sends everything else again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from prompt_worker.local.servers.postgres import Postgres
from tests.faults.test_shutdown import frozen
from tests.support.events import bodies, body, id_of
from tests.support.pipeline import Pipeline, wait_until
from tests.support.probing import probe
from tests.support.pushing import EXECUTIONS, Serving, Signer, envelope
from tests.support.timing import LATE, STOP_SECONDS

pytestmark = pytest.mark.embedded_only

# How long requests wait for others to share their commit.
SLOW_BATCH = {"PROMPT_WORKER_PUSH_BATCH_SECONDS": "2"}


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    with Signer() as opened:
        yield opened


class InFlight:
    """Requests in flight, sent by a thread."""

    def __init__(self, serving: Serving, published: Sequence[bytes]) -> None:
        self.published = published
        self.statuses: list[int] = []
        self._thread = threading.Thread(target=lambda: self.statuses.extend(serving.push_all(published)))
        self._thread.start()

    def wait(self) -> list[int]:
        self._thread.join(60)
        return self.statuses

    def settled(self) -> set[str]:
        return {
            str(id_of(sent))
            for sent, status in zip(self.published, self.statuses, strict=True)
            if status == 204
        }


def test_requests_in_flight_at_sigterm_are_written_and_answered(pipeline: Pipeline, signer: Signer) -> None:
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_BATCH_SECONDS="3") as serving:
        in_flight = InFlight(serving, bodies(300))
        time.sleep(0.7)
        code, seconds = serving.process.terminate()
        assert in_flight.wait() == [204] * 300
    assert code == 0
    assert seconds < STOP_SECONDS
    pipeline.assert_exact(in_flight.published)


def test_requests_get_503_while_the_database_is_down(
    pipeline: Pipeline, signer: Signer, postgres: Postgres
) -> None:
    published = bodies(100)
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_ANSWER_SECONDS="2") as serving:
        assert serving.push(published[0]).status == 204
        postgres.stop()
        started = time.monotonic()
        assert serving.push_all(published) == [503] * 100
        assert time.monotonic() - started < 2 + LATE
        assert probe(serving.port, "/healthz")[0] == 200
        assert probe(serving.port, "/readyz")[0] == 503
        postgres.start()
        wait_until(lambda: serving.push(published[1]).status == 204, 60, lambda: serving.process.output)
        assert serving.push_all(published) == [204] * 100
        assert serving.process.terminate()[0] == 0
    pipeline.assert_exact(published)
    assert pipeline.dead_letters(0) == []


def test_new_requests_get_503_at_once_when_the_service_is_behind(
    pipeline: Pipeline, signer: Signer, postgres: Postgres
) -> None:
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_ANSWER_SECONDS="15") as serving:
        postgres.stop()
        in_flight = InFlight(serving, bodies(20))
        time.sleep(6)
        started = time.monotonic()
        reply = serving.push(body())
        assert (reply.status, reply.headers["retry-after"]) == (503, "10")
        assert time.monotonic() - started < LATE
        postgres.start()
        assert in_flight.wait() == [204] * 20, "an outage shorter than the limit costs only time"


def test_hanging_database_is_reported_and_the_service_still_ends(
    pipeline: Pipeline, signer: Signer, postgres: Postgres
) -> None:
    with Serving(
        pipeline, signer, PROMPT_WORKER_PUSH_ANSWER_SECONDS="3", PROMPT_WORKER_STUCK_SECONDS="2"
    ) as serving:
        assert serving.push(body()).status == 204
        with frozen(postgres):
            first = InFlight(serving, bodies(10))
            assert first.wait() == [503] * 10
            assert probe(serving.port, "/healthz")[0] == 503
            second = InFlight(serving, bodies(10))
            for _ in range(3):  # waits for the server too
                threading.Thread(target=probe, args=(serving.port, "/readyz"), daemon=True).start()
            time.sleep(0.3)
            code, seconds = serving.process.terminate()
            assert second.wait() == [503] * 10
    assert code == 0
    assert seconds < STOP_SECONDS


def test_client_that_leaves_does_not_affect_others(pipeline: Pipeline, signer: Signer) -> None:
    """Before its body is complete: nothing. Before its answer: its event is written all the same."""
    lost, answered = body(), bodies(40)
    request = envelope(lost)
    lines = [f"POST {EXECUTIONS} HTTP/1.1", "Host: localhost", f"Content-Length: {len(request)}"]
    lines += [f"{name}: {value}" for name, value in signer.bearer().items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_IN_FLIGHT="50", **SLOW_BATCH) as serving:
        for sent in [head + request[:50]] * 60 + [head + request]:
            with socket.create_connection(("127.0.0.1", serving.port)) as client:
                client.sendall(sent)
                time.sleep(0.3 if sent.endswith(request) else 0)  # it joins a batch, and its client leaves
        assert serving.push_all(answered) == [204] * 40
        assert serving.process.messages("ERROR") == []
    pipeline.assert_exact([lost, *answered])


def test_requests_beyond_the_limit_in_flight_get_429(pipeline: Pipeline, signer: Signer) -> None:
    published = bodies(60)
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_IN_FLIGHT="20", **SLOW_BATCH) as serving:
        in_flight = InFlight(serving, published)
        statuses = in_flight.wait()
        assert sorted(statuses) == [204] * 20 + [429] * 40
        assert serving.push(body()).status == 204
    assert in_flight.settled() <= {str(found) for found in pipeline.ids()}
    assert pipeline.rows() == 21


def test_killed_service_loses_nothing_it_had_settled(pipeline: Pipeline, signer: Signer) -> None:
    """kill -9 under load: every 204 is a row, and the rest was never acknowledged."""
    published = bodies(2000)
    with Serving(pipeline, signer) as serving, ThreadPoolExecutor(1) as pool:
        in_flight = InFlight(serving, published)
        pool.submit(pipeline.wait_for_rows, 1).result()
        serving.process.kill()
        in_flight.wait()
        settled = in_flight.settled()
    rows = {str(found) for found in pipeline.ids()}
    assert settled <= rows
    assert pipeline.wrong_counters() == []
    with Serving(pipeline, signer, PROMPT_WORKER_PUSH_IN_FLIGHT="3000") as again:
        assert again.push_all(published) == [204] * 2000
    pipeline.assert_exact(published)
